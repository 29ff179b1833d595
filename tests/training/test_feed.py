"""Batches come in an order that is a pure function of seed, epoch and position."""

import signal
import subprocess
import sys

import pytest
import torch

from ganzoo.plugin.types import ImageData, ImageShape
from ganzoo.recipe.model import Train
from ganzoo.training.feed import STOPPING, Feed, Order, signals_held, to_range

SHAPE = ImageShape(1, 2, 2, num_classes=10)
CPU = torch.device("cpu")


class Lazy:
    """Images that are read one at a time."""

    def __init__(self, images: torch.Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.images[index]


def data(count: int, *, lazy: bool = False) -> ImageData:
    images = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).clone()
    return ImageData(Lazy(images) if lazy else images, torch.arange(count), (), "test", "")


def test_an_epoch_shows_every_image_once_and_epochs_differ() -> None:
    order = Order(Train(epochs=2, batch_size=5, last_batch="keep"), 23)
    epochs = [torch.cat([order.indices(e * 5 + b) for b in range(5)]) for e in range(2)]

    assert order.batches_per_epoch == 5
    assert all(sorted(epoch.tolist()) == list(range(23)) for epoch in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()


def test_the_last_batch_is_smaller_or_left_out_as_the_recipe_says() -> None:
    kept = Order(Train(epochs=25, batch_size=128, last_batch="keep"), 60000)
    dropped = Order(Train(epochs=25, batch_size=128), 60000)

    assert (kept.batches_of(25), len(kept.indices(468))) == (11725, 96)
    assert (dropped.batches_of(25), len(dropped.indices(467))) == (11700, 128)


def test_sequential_order_is_the_stored_order() -> None:
    order = Order(Train(epochs=1, batch_size=4, order="sequential"), 12)

    assert [order.indices(n).tolist() for n in (1, 3)] == [[4, 5, 6, 7], [0, 1, 2, 3]]


def test_drawing_with_replacement_repeats_images_within_an_epoch() -> None:
    order = Order(Train(epochs=1, batch_size=100, order="replacement"), 100)

    assert len(set(order.indices(0).tolist())) < 100
    assert order.indices(0).tolist() == order.indices(0).tolist() != order.indices(1).tolist()


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_number_of_workers_does_not_change_the_batches(workers: int) -> None:
    train = Train(epochs=3, batch_size=4)
    resident = Feed(data(10), SHAPE, train, CPU)
    lazy = Feed(data(10, lazy=True), SHAPE, train, CPU, workers=workers)

    # From the middle of an epoch, across its end, and one jump back.
    for number in (1, 2, 3, 4, 0):
        wanted, found = resident(number), lazy(number)
        assert torch.equal(wanted.images, found.images)
        assert torch.equal(wanted.labels, found.labels)  # type: ignore[arg-type]
    lazy.close()


def test_pixels_are_scaled_to_the_recipes_range() -> None:
    raw = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)

    assert to_range(raw, ImageShape(1, 1, 1)).flatten().tolist() == pytest.approx([-1, 1], abs=1e-6)
    assert to_range(raw, ImageShape(1, 1, 1, low=0)).flatten().tolist() == pytest.approx([0, 1])
    points = torch.tensor([[3.5]])
    assert to_range(points, SHAPE) is points


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs signal masks")
def test_processes_begun_while_signals_are_held_never_hear_them_and_nothing_is_lost() -> None:
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        with signals_held():
            signal.raise_signal(signal.SIGINT)
            print_mask = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []))"
            child = subprocess.run([sys.executable, "-c", print_mask], capture_output=True)
            assert heard == []
    finally:
        signal.signal(signal.SIGINT, before)

    assert heard == [signal.SIGINT]
    assert all(number.name in child.stdout.decode() for number in STOPPING)
    assert not set(STOPPING) & signal.pthread_sigmask(signal.SIG_BLOCK, [])
