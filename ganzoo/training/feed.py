"""Batches on the device, in an order that is a pure function of (seed, epoch, position).

Data that fits lives on the device as bytes and is indexed there; larger data is read ahead by a
loader whose workers only read, so that their number never changes a run.
"""

from __future__ import annotations

import math
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from multiprocessing import resource_tracker
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ganzoo.common.system import STOPPING
from ganzoo.plugin.specs import (
    DatasetSpec,
)
from ganzoo.plugin.types import ImageData, ImageShape
from ganzoo.recipe.model import Train
from ganzoo.training.randomness import key
from ganzoo.training.shards import WHOLE, Cut

KEPT_ORDERS = 2
SHARE = 0.5
"""Share of a GPU's free memory that images may take; larger data stays in the host's."""
CPU = torch.device("cpu")


class Order:
    """Which images make batch number n."""

    def __init__(self, train: Train, count: int, device: torch.device = CPU) -> None:
        self.train = train
        self.device = device
        self.count = count
        whole, rest = divmod(count, train.batch_size)
        self.batches_per_epoch = whole + (rest > 0 and train.last_batch == "keep")
        self._epochs: dict[int, Tensor] = {}

    def indices(self, number: int) -> Tensor:
        """Return the ``[N]`` indices of batch ``number``, counted from the start of the run."""
        size = self.train.batch_size
        if self.train.order == "replacement":
            generator = torch.Generator(self.device)
            generator.manual_seed(key(self.train.seed, "draw", number))
            return torch.randint(self.count, (size,), generator=generator, device=self.device)
        epoch, position = divmod(number, self.batches_per_epoch)
        return self._epoch(epoch)[position * size : (position + 1) * size]

    def _epoch(self, epoch: int) -> Tensor:
        if epoch not in self._epochs:
            generator = torch.Generator().manual_seed(key(self.train.seed, "order", epoch))
            shuffled = self.train.order == "shuffle"
            order = (
                torch.randperm(self.count, generator=generator)
                if shuffled
                else torch.arange(self.count)
            )
            while len(self._epochs) >= KEPT_ORDERS:
                del self._epochs[min(self._epochs)]
            # Whole, once an epoch: a copy for each batch would stop a GPU each time.
            self._epochs[epoch] = order.to(self.device)
        return self._epochs[epoch]

    def epochs_done(self, batches: int) -> float:
        """Return how many passes over the data ``batches`` batches are."""
        if self.train.order == "replacement":
            return batches * self.train.batch_size / self.count
        return batches / self.batches_per_epoch

    def batches_of(self, epochs: int) -> int:
        """Return how many batches ``epochs`` passes over the data are."""
        if self.train.order == "replacement":
            return math.ceil(epochs * self.count / self.train.batch_size)
        return epochs * self.batches_per_epoch


class Beside:
    """Which inputs are beside batch number n of images that they do not belong to.

    They are shuffled on their own, and one pass over them begins where the last has ended.
    """

    def __init__(self, train: Train, inputs: Sized) -> None:
        self.train = train
        self.count = len(inputs)

    def indices(self, number: int, size: int) -> Tensor:
        """Return the ``[size]`` indices of batch ``number``."""
        places = torch.arange(size) + number * self.train.batch_size
        found = torch.empty(size, dtype=torch.long)
        first, last = int(places[0]) // self.count, int(places[-1]) // self.count
        for epoch in range(first, last + 1):
            of_epoch = places // self.count == epoch
            source = torch.Generator()
            source.manual_seed(key(self.train.seed, "order of inputs", epoch))
            shuffled = torch.randperm(self.count, generator=source)
            found[of_epoch] = shuffled[places[of_epoch] % self.count]
        return found


class Feed:
    """Hands out real batches by number."""

    def __init__(
        self,
        data: ImageData,
        shape: ImageShape,
        train: Train,
        device: torch.device,
        *,
        workers: int = 0,
        cut: Cut = WHOLE,
    ) -> None:
        self.cut = cut
        place = device if fits(data, device) else CPU
        self.order = Order(train, len(data), place)
        self.beside = None if data.paired or data.inputs is None else Beside(train, data.inputs)
        seen = data.varied
        self._flips = seen is not None and seen.flips
        if seen is not None:
            data = replace(data, images=seen.images, inputs=seen.inputs)
        self.shape = shape
        self.device = device
        self.workers = workers
        self.data = data
        self.seed = train.seed
        self._labels = None if data.labels is None else data.labels.to(place)
        self._inputs = data.inputs.to(place) if isinstance(data.inputs, Tensor) else None
        self._resident = data.images.to(place) if isinstance(data.images, Tensor) else None
        self._loader: Iterator[tuple[int, Tensor]] | None = None

    def __call__(self, number: int) -> Batch:
        """Return batch ``number`` of the run, or this process's part; quickest in order."""
        every = self.order.indices(number)
        indices = self.cut.of(every)
        if self._resident is not None:
            raw = self._resident.index_select(0, indices)
        else:
            raw = self._read(number)
        labels = None if self._labels is None else self._labels.index_select(0, indices)
        if labels is not None:
            labels = labels.to(self.device, non_blocking=True)
        # As bytes: a quarter of what the same images are as floats.
        raw = raw.to(self.device, non_blocking=True)
        beside = self._inputs_of(number, indices, len(every))
        if self._flips or raw.shape[-2:] != (self.shape.height, self.shape.width):
            raw = self._changed(raw, number, len(every), "images")
        if beside is not None and self.data.varied is not None:
            stream = "images" if self.data.paired else "inputs"
            beside = self._changed(beside, number, len(every), stream)
        return Batch(
            to_range(raw, self.shape),
            labels,
            None if beside is None else to_range(beside, self.shape),
            0 if len(indices) == len(every) else len(every),
        )

    def _changed(self, raw: Tensor, number: int, whole: int, stream: str) -> Tensor:
        """Return a crop of each image at random, mirrored or not: drawn for the whole batch."""
        size = self.shape.height, self.shape.width
        source = torch.Generator().manual_seed(key(self.seed, f"varied {stream}", number))
        drawn = self.cut.of(torch.rand(whole, 3, generator=source, dtype=torch.float64)).tolist()
        room = [there - here for there, here in zip(raw.shape[-2:], size, strict=True)]
        found = []
        for image, (down, across, mirrored) in zip(raw, drawn, strict=True):
            top, left = int(down * (room[0] + 1)), int(across * (room[1] + 1))
            part = image[:, top : top + size[0], left : left + size[1]]
            found.append(part.flip(2) if self._flips and mirrored < 0.5 else part)
        return torch.stack(found)

    def _inputs_of(self, number: int, indices: Tensor, whole: int) -> Tensor | None:
        if self.data.inputs is None:
            return None
        if self.beside is not None:
            indices = self.cut.of(self.beside.indices(number, whole)).to(indices.device)
        if self._inputs is not None:
            raw = self._inputs.index_select(0, indices)
        else:
            raw = torch.stack([self.data.inputs[int(index)] for index in indices])
        return raw.to(self.device, non_blocking=True)

    def close(self) -> None:
        """Stop the loader's workers."""
        self._loader = None

    def _read(self, number: int) -> Tensor:
        if self._loader is not None:
            found, images = next(self._loader)
            if found == number:
                return images
        # The old iterator goes first: two at once confuse the workers of the second.
        self._loader = None
        self._loader = self._load_from(number)
        return next(self._loader)[1]

    def _load_from(self, number: int) -> Iterator[tuple[int, Tensor]]:
        loader = DataLoader(
            _Images(self.data.images),
            batch_sampler=_Batches(self.order, number, self.cut),
            num_workers=self.workers,
            pin_memory=self.device.type == "cuda",
            worker_init_fn=ignore_signals,
            generator=torch.Generator(),
            persistent_workers=False,
        )
        # A zip begins its parts when it is made: the workers are started here.
        with signals_held() if self.workers else nullcontext():
            return zip(_count_from(number), loader, strict=False)


def fits(data: ImageData, device: torch.device) -> bool:
    """Return whether all images can live on ``device`` and leave room to train."""
    if not isinstance(data.images, Tensor):
        return False
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return data.images.nbytes < SHARE * free


def to_range(raw: Tensor, shape: ImageShape) -> Tensor:
    """Scale uint8 pixels ``[N, C, H, W]`` to [low, high]; float images pass as they are."""
    if raw.dtype != torch.uint8:
        return raw
    scale = (shape.high - shape.low) / 255
    return raw.to(torch.float32).mul_(scale).add_(shape.low)


def ignore_signals(worker: int) -> None:  # noqa: ARG001
    """Leave Ctrl-C to the main process, which stops the workers itself."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)


@contextmanager
def signals_held() -> Iterator[None]:
    """Have processes that are started in this block deaf to what stops a run, from the first on.

    A worker that is spawned imports torch before it can say so itself, and Ctrl-C goes to all
    processes of a terminal. What arrives here meanwhile is taken up at the end of the block.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    if multiprocessing.get_start_method() != "fork":
        # Of Python's own helper: it would lift the block when it starts.
        resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _count_from(number: int) -> Iterator[int]:
    while True:
        yield number
        number += 1


class _Images(Dataset[Tensor]):
    """An image source as torch's loader wants it."""

    def __init__(self, source: Any) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Tensor:
        image: Tensor = self.source[index]
        return image


class _Batches(Sampler[list[int]]):
    """Batches of indices from a given number on, without end."""

    def __init__(self, order: Order, start: int, cut: Cut) -> None:
        self.order = order
        self.start = start
        self.cut = cut

    def __iter__(self) -> Iterator[list[int]]:
        for number in _count_from(self.start):
            yield self.cut.of(self.order.indices(number)).tolist()


def shape_of(data: ImageData, dataset: DatasetSpec) -> ImageShape:
    """Return the shape and range of the images that the networks see."""
    _, channels, height, width = first_images(data, 1).shape
    low = -1.0 if dataset.value_range == "symmetric" else 0.0
    label_shape = () if data.labels is None else tuple(data.labels.shape[1:])
    classes = len(data.classes)
    beside = () if data.inputs is None else tuple(data.inputs[0].shape)
    return ImageShape(channels, height, width, low, 1.0, classes, label_shape, beside)


def first_images(data: ImageData, count: int) -> Tensor:
    """Return the first ``count`` images as stored, ``[count, C, H, W]``."""
    if isinstance(data.images, Tensor):
        return data.images[:count]
    return torch.stack([data.images[index] for index in range(min(count, len(data)))])


def real_images(data: ImageData, shape: ImageShape, count: int) -> Tensor:
    """Return ``count`` evenly spaced images in the recipe's range, ``[count, C, H, W]``."""
    count = min(count, len(data))
    chosen = [round(number * (len(data) - 1) / max(1, count - 1)) for number in range(count)]
    if isinstance(data.images, Tensor):
        return to_range(data.images[chosen], shape)
    return to_range(torch.stack([data.images[index] for index in chosen]), shape)


def some_inputs(data: ImageData, shape: ImageShape, count: int) -> Tensor:
    """Return inputs in the recipe's range: of pairs those of ``real_images``, else spaced as they.

    Where there are fewer than ``count``, they begin anew.
    """
    assert data.inputs is not None
    length = len(data.inputs)
    some = min(count, length)
    chosen = [round(number * (length - 1) / max(1, some - 1)) for number in range(some)]
    found = torch.stack([data.inputs[chosen[number % some]] for number in range(count)])
    return to_range(found, shape)


class Batch(NamedTuple):
    """Real images ``[N, C, H, W]`` in the recipe's range; labels, inputs ``[N, ...]`` or None."""

    images: Tensor
    labels: Tensor | None
    inputs: Tensor | None = None
    whole: int = 0
    """Images of the whole batch, where these are one process's of several; else 0."""

    @property
    def size(self) -> int:
        """Images of the whole batch."""
        return self.whole or len(self.images)

    def each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """Return the batch with every tensor of it changed."""
        labels, inputs = self.labels, self.inputs
        return Batch(
            change(self.images),
            None if labels is None else change(labels),
            None if inputs is None else change(inputs),
            self.whole,
        )

    def rows(self, which: slice | Tensor) -> Batch:
        """Return some of its rows as a batch of their own."""
        return self.each(lambda each: each[which])._replace(whole=0)


def pick(data: ImageData, indices: Tensor) -> Tensor:
    """Return the images with these numbers, ``[N, C, H, W]`` as stored."""
    if isinstance(data.images, Tensor):
        return data.images[indices]
    return torch.stack([data.images[int(index)] for index in indices])
