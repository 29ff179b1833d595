"""GAN-train and GAN-test on stand-ins for a generator whose answers are known beforehand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganzoo.common.data_root import DataRoot
from ganzoo.measure.features import random_network
from ganzoo.measure.reference import Bench
from ganzoo.measure.scoring import Scorer, measurable
from ganzoo.plugin.types import ImageData, ImageShape, Seen
from ganzoo.recipe.model import Measure
from ganzoo_datasets import Digits
from ganzoo_metrics.transfer import GanTrainTest, accuracy, in_order

COUNT = 400
METRIC = GanTrainTest()


class Told:
    """Counts what it is told of training."""

    def __init__(self) -> None:
        self.whats: dict[str, int] = {}

    def __call__(self, what: str, done: int, _: int) -> None:
        """Remember how far it got."""
        self.whats[what] = done


@pytest.fixture(scope="module")
def told() -> Told:
    """Return what is told of training."""
    return Told()


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory, told: Told) -> Scorer:
    """Return a scorer of digits, 400 at a time, whose classifiers are trained in a second."""
    root = DataRoot(tmp_path_factory.mktemp("data"), download=False)
    train, test = Digits(size=8).build(root), Digits(size=8).build(root, "test")
    bench = Bench(
        Measure(samples=COUNT), ImageShape(1, 8, 8, num_classes=10), train, test,
        random_network(1), has_asked_labels=True, progress=told,
    )  # fmt: skip
    return Scorer(bench, [METRIC], ema=False)


def digits(scorer: Scorer) -> tuple[Tensor, Tensor]:
    """Return real training images and their labels, in place of a generator's."""
    train = scorer.bench.train
    assert isinstance(train.images, Tensor)
    assert train.labels is not None
    chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(5))[:COUNT]
    return train.images[chosen], train.labels[chosen]


@pytest.fixture(scope="module")
def of_real_images(scorer: Scorer) -> dict[str, float]:
    """Return the scores of real images that come in two batches."""
    images, labels = digits(scorer)
    return scorer.score([(images[:150], labels[:150]), (images[150:], labels[150:])])


def test_real_images_in_place_of_fakes_reach_the_floor(
    scorer: Scorer, of_real_images: dict[str, float], told: Told
) -> None:
    floors = {name: floor["value"] for name, floor in scorer.floors().items()}

    assert floors["gan_train"] == floors["gan_test"] > 0.7  # at random 0.1
    # Each is a share of 300 to 400 images, after another choice of 400 to learn from.
    assert of_real_images["gan_train"] == pytest.approx(floors["gan_train"], abs=0.08)
    assert of_real_images["gan_test"] == pytest.approx(floors["gan_test"], abs=0.08)
    assert told.whats == {"classifier of fakes": 93, "classifier of real images": 93}


def test_what_was_asked_at_random_is_told_at_random(scorer: Scorer) -> None:
    images, labels = digits(scorer)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(0))

    found = scorer.score([(images, labels[order])])

    # 1 in 10, whose spread over 400 images is 0.015; what is learned from noise is a little off.
    assert found["gan_train"] == pytest.approx(0.1, abs=0.1)
    assert found["gan_test"] == pytest.approx(0.1, abs=0.06)


@pytest.mark.slow
def test_a_generator_of_one_good_image_a_class_tests_well_and_teaches_little(
    scorer: Scorer,
) -> None:
    images, labels = digits(scorer)
    first = torch.stack([images[labels == label][0] for label in range(10)])
    asked = torch.arange(COUNT) % 10

    found = scorer.score([(first[asked], asked)])

    assert found["gan_test"] > 0.7
    assert found["gan_train"] < found["gan_test"] - 0.2


def test_the_order_in_which_fakes_come_decides_nothing() -> None:
    images = torch.randint(256, (40, 1, 8, 8), dtype=torch.uint8)
    labels = torch.arange(40) % 3
    shuffled = torch.randperm(40)

    first = in_order(images, labels)
    second = shuffled[in_order(images[shuffled], labels[shuffled])]

    assert torch.equal(images[first], images[second])
    assert labels[first][:6].tolist() == [0, 1, 2, 0, 1, 2]


def test_its_scores_say_how_they_were_taken(
    scorer: Scorer, of_real_images: dict[str, float]
) -> None:
    last = {name: {"value": value} for name, value in of_real_images.items()}

    described = scorer.described(last, {})

    assert described["gan_train"]["floor"]["n"] == COUNT
    assert described["gan_train"]["floor"]["split"] == "train"
    assert described["gan_test"]["provenance"]["classifier"] == "ganzoo-classifier-1"
    assert described["gan_test"]["provenance"]["n_fake"] == COUNT
    assert not described["gan_test"]["lower_is_better"]


@pytest.mark.parametrize(
    ("side", "classes", "has_asked", "reason"),
    [
        (28, 10, False, "the generator takes no labels"),
        (28, 0, True, "no classes to train a classifier on"),
        (4, 10, True, "needs images of 8×8 or more"),
    ],
)
def test_where_it_cannot_be_taken_it_says_why(
    side: int, classes: int, has_asked: bool, reason: str
) -> None:
    images = torch.zeros(20, 1, side, side, dtype=torch.uint8)
    data = ImageData(images, torch.arange(20) % 10, tuple("abcdefghij")[:classes], "", "")
    bench = Bench(
        Measure(samples=4), ImageShape(1, side, side, num_classes=classes), data, data,
        random_network(1), has_asked_labels=has_asked,
    )  # fmt: skip

    usable, reasons = measurable([METRIC], bench)

    assert usable == []
    assert reason in reasons["gan_train"]
    assert reasons["gan_train"] == reasons["gan_test"]


def test_accuracy_is_the_share_told_right_and_0_of_no_image() -> None:
    def first(images: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(torch.zeros(len(images), dtype=torch.long), 2)

    def seen(*labels: int) -> Seen:
        found = torch.tensor(labels)
        return Seen(torch.zeros(len(found), 1, 2, 2), torch.zeros(len(found), 3), labels=found)

    assert accuracy(first, [seen(0, 1, 0), seen(1)]) == 0.5
    assert accuracy(first, [seen(0)]) == 1.0
    assert accuracy(first, []) == 0.0
