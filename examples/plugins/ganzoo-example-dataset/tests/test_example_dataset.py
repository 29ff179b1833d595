"""The dataset holds what it says, and keeps all that ganzoo asks of a dataset."""

from pathlib import Path

from ganzoo_example_dataset.dataset import DrawnShapes

from ganzoo import testing
from ganzoo.api import DataRoot

test_the_data_set_keeps_its_promises = testing.suite(DrawnShapes)


def test_it_has_96_images_to_train_on_and_24_to_test_on() -> None:
    root = DataRoot(Path("nowhere"), download=False)

    train, test = DrawnShapes().build(root), DrawnShapes().build(root, "test")

    assert (tuple(train.images.shape), tuple(test.images.shape)) == (
        (96, 1, 16, 16),
        (24, 1, 16, 16),
    )
    assert train.labels is not None
    assert train.labels.bincount().tolist() == [32, 32, 32]
