"""Training the small classifier on labelled images, the same way and the same bits every time."""

from __future__ import annotations

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


def fit(data: ImageData, num_classes: int, progress: Progress, what: str) -> Classifier:
    """Return a classifier trained on ``data``: on the CPU, with one thread, always the same.

    Args:
        progress: is told how it gets on with ``what``.
    """
    with observing(), one_thread(), torch.enable_grad():
        torch.manual_seed(0)
        channels = pick(data, torch.tensor([0])).shape[1]
        network = Classifier(channels, num_classes)
        _fit(network, data, progress, what)
        return network.eval().requires_grad_(False)


def _fit(network: Classifier, data: ImageData, progress: Progress, what: str) -> None:
    """Adam under a one-cycle rate on images that are shifted by up to two pixels."""
    assert data.labels is not None
    batch = min(BATCH, len(data))
    seen = min(MOST_SEEN, max(LEAST_SEEN, PASSES * len(data)))
    steps = seen // batch
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


class one_thread:  # noqa: N801
    """A block in which torch computes with one thread, so that sums have one order."""

    def __enter__(self) -> None:
        self.threads = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *error: object) -> None:
        torch.set_num_threads(self.threads)
