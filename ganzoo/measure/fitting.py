"""Training the small classifier on labelled images, the same way and the same bits every time."""

from __future__ import annotations

import math
import time

import torch
from torch.nn import functional

from ganzoo.common.data_root import Progress
from ganzoo.measure.networks import Classifier
from ganzoo.plugin.types import ImageData
from ganzoo.training.feed import pick
from ganzoo.training.randomness import observing

BATCH = 128
RATE = 4e-3
SHIFT = 2
MOST_SEEN = 240_000
LEAST_SEEN = 12_000
PASSES = 4
TIMED_PIXELS = 1 << 19
"""Of the images whose time is taken to tell how long training will take."""


class TooLong(Exception):  # noqa: N818
    """Training was given up; ``seconds`` is how long it would have taken."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def images_seen(data: ImageData) -> int:
    """Return how many images a training on ``data`` sees, repetitions counted."""
    return min(MOST_SEEN, max(LEAST_SEEN, PASSES * len(data)))


def seconds_to_train(data: ImageData) -> float:
    """Return about how long training a classifier takes here, from the time some images take."""
    assert data.labels is not None
    with observing(), one_thread():
        pixels = pick(data, torch.tensor([0])).shape[1:].numel()
        count = min(len(data), BATCH, max(8, TIMED_PIXELS // pixels))
        chosen = torch.arange(count)
        network = Classifier(pick(data, chosen[:1]).shape[1], len(data.classes))
        # Of one image batch norm makes nothing: its time is taken in evaluation.
        network.train(count > 1)
        quickest = math.inf
        for _ in range(3):
            begun = time.perf_counter()
            images = pick(data, chosen).float() / 255
            loss = functional.cross_entropy(network(images)[1], data.labels[chosen])
            loss.backward()  # type: ignore[no-untyped-call]
            quickest = min(quickest, time.perf_counter() - begun)
            if quickest > 0.3:
                break
    return quickest / count * images_seen(data)


def fit(
    data: ImageData, num_classes: int, progress: Progress, what: str, limit: float = math.inf
) -> Classifier:
    """Return a classifier trained on ``data``: on the CPU, with one thread, always the same.

    Args:
        progress: is told how it gets on with ``what``.
        limit: seconds after which it is given up.

    Raises:
        TooLong: if it was given up.
    """
    with observing(), one_thread(), torch.enable_grad():
        torch.manual_seed(0)
        channels = pick(data, torch.tensor([0])).shape[1]
        network = Classifier(channels, num_classes)
        _fit(network, data, progress, what, limit)
        return network.eval().requires_grad_(False)


def _fit(network: Classifier, data: ImageData, progress: Progress, what: str, limit: float) -> None:
    """Adam under a one-cycle rate on images that are shifted by up to two pixels."""
    assert data.labels is not None
    begun = time.monotonic()
    batch = min(BATCH, len(data))
    steps = images_seen(data) // batch
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=RATE, total_steps=steps, pct_start=0.2
    )
    generator = torch.Generator().manual_seed(1)
    per_pass = len(data) // batch
    order = torch.empty(0, dtype=torch.int64)
    for step in range(steps):
        position = step % per_pass
        if position == 0:
            order = torch.randperm(len(data), generator=generator)
        chosen = order[position * batch : (position + 1) * batch]
        images = pick(data, chosen).float() / 255
        down, right = torch.randint(-SHIFT, SHIFT + 1, (2,), generator=generator).tolist()
        images = torch.roll(images, (down, right), (2, 3))
        loss = functional.cross_entropy(network(images)[1], data.labels[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        progress(what, step + 1, steps)
        spent = time.monotonic() - begun
        if spent > limit:
            raise TooLong(spent / (step + 1) * steps)


class one_thread:  # noqa: N801
    """A block in which torch computes with one thread, so that sums have one order."""

    def __enter__(self) -> None:
        self.threads = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *error: object) -> None:
        torch.set_num_threads(self.threads)
