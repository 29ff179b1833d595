"""Batches come in an order that is a pure function of seed, epoch and position."""

import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from ganzoo.plugin.specs import DatasetSpec
from ganzoo.plugin.types import ImageData, ImageShape
from ganzoo.recipe.model import Train
from ganzoo.training.feed import (
    STOPPING,
    Batch,
    Feed,
    Order,
    ignore_signals,
    shape_of,
    signals_held,
    to_range,
)

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


def test_draws_with_replacement_are_counted_in_images() -> None:
    order = Order(Train(epochs=3, batch_size=8, order="replacement"), 100)

    assert (order.batches_of(3), order.epochs_done(25)) == (38, 2.0)


def test_a_batch_is_changed_as_a_whole_and_what_is_not_there_stays_so() -> None:
    ones = torch.ones(2)
    plain, full = Batch(ones, None).each(torch.neg), Batch(ones, ones, 2 * ones).each(torch.neg)

    assert plain == (plain.images, None, None, 0)
    assert plain.size == 2
    assert [each.tolist() for each in full[:3]] == [[-1, -1], [-1, -1], [-2, -2]]  # type: ignore[union-attr]


def test_the_shape_of_labels_is_that_of_one() -> None:
    plain = data(3)
    several = replace(plain, labels=torch.zeros(3, 4))

    assert [shape_of(each, DatasetSpec()).label_shape for each in (plain, several)] == [(), (4,)]
    assert shape_of(replace(plain, labels=None), DatasetSpec()).label_shape == ()


def test_a_worker_ignores_what_stops_a_run_and_takes_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[object] = []
    monkeypatch.setattr(signal, "signal", lambda *given: done.append(given))
    monkeypatch.setattr(torch, "set_num_threads", done.append)
    ignore_signals(0)

    assert done == [*((number, signal.SIG_IGN) for number in STOPPING), 1]
