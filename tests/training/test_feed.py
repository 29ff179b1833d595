"""Batches come in an order that is a pure function of seed, epoch and position."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch

from ganzoo.plugin.specs import DatasetSpec
from ganzoo.plugin.types import ImageData, ImageShape, Varied
from ganzoo.recipe.model import Train
from ganzoo.training import feed as feed_module
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
    some_inputs,
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
        assert isinstance(index, int)  # of images that are read, no more can be asked
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


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("count", [3, 7, 50])
def test_inputs_of_their_own_are_shown_in_whole_passes_however_few_they_are(
    count: int, lazy: bool
) -> None:
    inputs = data(count).images
    apart = replace(data(12), inputs=Lazy(inputs) if lazy else inputs, paired=False)  # type: ignore[arg-type]
    feed = Feed(apart, UNIT, Train(epochs=1, batch_size=8), CPU)

    shown = [each for number in range(25) for each in numbers(feed(number).inputs)]  # type: ignore[arg-type]

    passes = [shown[first : first + count] for first in range(0, 200 - count + 1, count)]
    assert all(sorted(one) == list(range(count)) for one in passes)
    assert len({tuple(one) for one in passes}) > 1


@pytest.mark.parametrize("lazy", [False, True])
def test_inputs_to_look_at_are_evenly_spaced_and_begin_anew_where_they_are_few(lazy: bool) -> None:
    def chosen(inputs: int, count: int) -> list[int]:
        found = data(inputs).images
        apart = replace(data(2), inputs=Lazy(found) if lazy else found, paired=False)  # type: ignore[arg-type]
        return numbers(some_inputs(apart, UNIT, count))

    assert [chosen(11, count) for count in (1, 2, 3)] == [[0], [0, 10], [0, 5, 10]]
    assert chosen(3, 7) == [0, 1, 2, 0, 1, 2, 0]


def varied(height: int, width: int, *, flips: bool, paired: bool | None) -> ImageData:
    """Return 300 images of 2 by 3, varied from larger ones whose pixels tell where they are."""
    pixels = torch.arange(height * width, dtype=torch.uint8).view(1, 1, height, width)
    large = pixels.expand(300, 1, height, width)
    inputs = None if paired is None else large
    plain = ImageData(
        large[..., :2, :3], None, (), "test", "", inputs=inputs, paired=paired is not False
    )
    return replace(plain, varied=Varied(large, inputs, flips=flips))


def crop(image: torch.Tensor, width: int) -> tuple[int, int, bool]:
    """Return where such a crop begins, and whether it is mirrored."""
    found = image[0].round().int()
    mirrored = bool(found[0, 0] > found[0, 1])
    found = found.flip(1) if mirrored else found
    top, left = divmod(int(found[0, 0]), width)
    wanted = [[(top + row) * width + left + column for column in range(3)] for row in range(2)]
    assert found.tolist() == wanted
    return top, left, mirrored


OBLONG = ImageShape(1, 2, 3, 0.0, 255.0)


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize(("height", "width"), [(4, 6), (2, 4), (2, 3)])
def test_crops_lie_anywhere_in_the_larger_image_and_half_are_mirrored_if_any(
    height: int, width: int, flips: bool
) -> None:
    feed = Feed(
        varied(height, width, flips=flips, paired=None),
        OBLONG,
        Train(epochs=1, batch_size=300),
        CPU,
    )

    found = [crop(image, width) for image in feed(0).images]

    places = {(top, left) for top, left, _ in found}
    assert places == {(top, left) for top in range(height - 1) for left in range(width - 2)}
    mirrored = sum(each[2] for each in found)
    assert 115 < mirrored < 185 if flips else mirrored == 0  # four standard deviations
    assert feed(0).labels is feed(0).inputs is None
    assert torch.equal(feed(0).images, feed(0).images)


@pytest.mark.parametrize("paired", [True, False])
def test_both_of_a_pair_are_cropped_alike_and_what_is_no_pair_on_its_own(paired: bool) -> None:
    feed = Feed(
        varied(4, 6, flips=True, paired=paired), OBLONG, Train(epochs=1, batch_size=100), CPU
    )
    batch = feed(0)
    assert batch.inputs is not None

    found = [[crop(image, 6) for image in images] for images in (batch.images, batch.inputs)]

    assert (found[0] == found[1]) is paired


def test_a_part_of_a_batch_has_the_crops_of_the_whole() -> None:
    given = varied(4, 6, flips=True, paired=True), OBLONG, Train(epochs=1, batch_size=100), CPU

    whole, part = Feed(*given)(0), Feed(*given, cut=Cut(2, 2, 1))(0)

    assert torch.equal(part.images, whole.images[50:])
    assert torch.equal(part.inputs, whole.inputs[50:])  # type: ignore[arg-type, index]


def test_labels_of_several_numbers_come_with_their_images() -> None:
    labels = torch.arange(24).view(12, 2)
    feed = Feed(replace(data(12), labels=labels), UNIT, Train(epochs=1, batch_size=4), CPU)

    batch = feed(2)

    assert batch.labels is not None
    assert batch.labels.tolist() == [[2 * each, 2 * each + 1] for each in numbers(batch.images)]


def test_images_that_fit_lie_on_the_device_and_others_on_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (0, 0))
    train = Train(epochs=1, batch_size=4)

    def place(kind: str) -> str:
        feed = Feed(data(8), SHAPE, train, torch.device(kind))
        assert feed._resident is not None
        assert feed.order.device == feed._resident.device
        return feed._resident.device.type

    assert [place(kind) for kind in ("cpu", "meta", "cuda")] == ["cpu", "meta", "cpu"]


def test_a_loader_pins_memory_for_a_gpu_and_holds_signals_for_its_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []
    held: list[None] = []

    @contextmanager
    def noted() -> Iterator[None]:
        held.append(None)
        yield

    monkeypatch.setattr(feed_module, "DataLoader", lambda *_, **more: asked.append(more) or [])
    monkeypatch.setattr(feed_module, "signals_held", noted)
    lazy, train = data(8, lazy=True), Train(epochs=1, batch_size=4)

    for kind, workers in (("cpu", 0), ("cuda", 2)):
        Feed(lazy, SHAPE, train, torch.device(kind), workers=workers)._load_from(0)
        assert asked[-1]["num_workers"] == workers
        assert asked[-1]["pin_memory"] is (kind == "cuda")
        assert len(held) == (workers > 0)
    assert Feed(lazy, SHAPE, train, CPU).workers == 0


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs signal masks")
@pytest.mark.parametrize(("method", "begun"), [("fork", 0), ("spawn", 1), ("forkserver", 1)])
def test_pythons_helper_of_spawned_processes_is_there_before_signals_are_held(
    method: str, begun: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks: list[set[Any]] = []
    monkeypatch.setattr(feed_module.multiprocessing, "get_start_method", lambda: method)
    monkeypatch.setattr(
        feed_module.resource_tracker,
        "ensure_running",
        lambda: masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    )

    with signals_held():
        pass

    assert len(masks) == begun
    assert not any(mask & set(STOPPING) for mask in masks)


def test_the_shape_of_inputs_is_that_of_one() -> None:
    one = replace(data(1), inputs=torch.zeros(1, 3, 4, 5), paired=False)

    assert shape_of(one, DatasetSpec()).input_shape == (3, 4, 5)
    assert shape_of(data(1), DatasetSpec()).input_shape == ()
