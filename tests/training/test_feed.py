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
    first_images,
    fits,
    ignore_signals,
    pick,
    real_images,
    shape_of,
    signals_held,
    to_range,
)
from ganzoo.training.shards import Cut

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


UNIT = ImageShape(1, 2, 2, 0.0, 255.0)


def numbers(images: torch.Tensor) -> list[int]:
    """Return which images of ``data`` these are."""
    return [round(float(each)) for each in images[:, 0, 0, 0]]


@pytest.mark.parametrize("lazy", [False, True])
def test_real_images_are_evenly_spaced_from_the_first_to_the_last(lazy: bool) -> None:
    many, few = data(11, lazy=lazy), data(3, lazy=lazy)

    assert numbers(real_images(many, UNIT, 3)) == [0, 5, 10]
    assert numbers(real_images(many, UNIT, 2)) == [0, 10]
    assert numbers(real_images(many, UNIT, 1)) == [0]
    assert numbers(real_images(few, UNIT, 5)) == [0, 1, 2]
    assert numbers(first_images(many, 2)) == [0, 1]
    assert numbers(first_images(few, 9)) == [0, 1, 2]
    assert numbers(pick(many, torch.tensor([7, 2]))) == [7, 2]


@pytest.mark.parametrize("lazy", [False, True])
def test_the_range_of_images_is_the_recipes(lazy: bool) -> None:
    shapes = [
        shape_of(data(3, lazy=lazy), DatasetSpec(value_range=span))
        for span in ("symmetric", "unit")
    ]

    assert [(shape.low, shape.high) for shape in shapes] == [(-1.0, 1.0), (0.0, 1.0)]
    assert [(shape.channels, shape.height, shape.width) for shape in shapes] == [(1, 2, 2)] * 2


def test_images_live_on_a_gpu_where_they_take_less_than_half_of_what_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images, gpu = data(11), torch.device("cuda")
    assert images.images.nbytes == 44  # type: ignore[union-attr]

    for free, wanted in ((89, True), (88, False), (60, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, 1000))
        assert fits(images, gpu) is wanted
    assert fits(images, CPU)
    assert not fits(data(11, lazy=True), CPU)


@pytest.mark.parametrize(("count", "wanted"), [(20, 4), (21, 5), (24, 5), (25, 5)])
def test_a_kept_last_batch_is_there_where_images_are_left(count: int, wanted: int) -> None:
    order = Order(Train(epochs=2, batch_size=5, last_batch="keep"), count)

    assert order.batches_per_epoch == wanted
    assert order.epochs_done(3 * wanted) == 3


def test_the_orders_of_two_epochs_are_kept() -> None:
    order = Order(Train(epochs=9, batch_size=5), 10)
    for number in range(8):
        order.indices(number)

    assert sorted(order._epochs) == [2, 3]


def test_a_batch_knows_how_large_the_whole_is_where_it_is_a_part() -> None:
    train = Train(epochs=1, batch_size=6)
    whole = Feed(data(12), SHAPE, train, CPU)(0)
    part = Feed(data(12), SHAPE, train, CPU, cut=Cut(2, 2, 0))(0)

    assert (whole.whole, whole.size, len(whole.images)) == (0, 6, 6)
    assert (part.whole, part.size, len(part.images)) == (6, 6, 3)
    assert part.labels is not None
    assert part.rows(slice(0, 2)).size == 2
    assert torch.equal(part.images, whole.images[:3])


def test_batches_in_order_come_from_one_loader() -> None:
    feed = Feed(data(12, lazy=True), SHAPE, Train(epochs=2, batch_size=3), CPU)
    feed(0)
    loader = feed._loader

    for number in (1, 2, 3):
        feed(number)
    assert feed._loader is loader
    feed(0)
    assert feed._loader is not loader


@pytest.mark.parametrize("lazy", [False, True])
def test_inputs_of_pairs_come_with_their_images(lazy: bool) -> None:
    pairs = data(12)
    inputs = pairs.images.flip(3) + 100  # type: ignore[union-attr]
    pairs = replace(pairs, inputs=Lazy(inputs) if lazy else inputs, paired=True)

    batch = Feed(pairs, UNIT, Train(epochs=1, batch_size=4), CPU)(1)

    assert batch.inputs is not None
    assert numbers(batch.inputs) == [each + 100 for each in numbers(batch.images)]
    assert Feed(data(12), UNIT, Train(epochs=1, batch_size=4), CPU)(1).inputs is None
