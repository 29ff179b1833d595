"""Images of a data set by their numbers, as stored, whether in memory or read one by one."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ganzoo.noise import key
from ganzoo.specs import ImageData


def pick(data: ImageData, indices: Tensor) -> Tensor:
    """Return the images with these numbers, ``[N, C, H, W]`` as stored."""
    if isinstance(data.images, Tensor):
        return data.images[indices]
    return torch.stack([data.images[int(index)] for index in indices])


def batches(data: ImageData, indices: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yield images and labels of these numbers in order, at most ``size`` at a time."""
    for chosen in torch.split(indices, size):
        yield pick(data, chosen), None if data.labels is None else data.labels[chosen]


def shuffled(count: int, seed: int, stream: str) -> Tensor:
    """Return the numbers below ``count`` in an order that depends on seed and stream alone."""
    generator = torch.Generator().manual_seed(key(seed, stream, count))
    return torch.randperm(count, generator=generator)
