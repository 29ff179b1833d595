"""How much a generator's images differ at the end of a run, held against real ones.

Cheap and without a feature network: distances of small grey-level averages, and the class of the
nearest real image where that tells classes apart. It sees what nobody should miss, such as tiles
that all show one digit, and nothing finer; for that there are metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganzoo.plugin.types import ImageData, ImageShape
from ganzoo.runs.rules import ALIKE, are_few
from ganzoo.training.feed import pick, to_range

FAKES = 64
REAL = {"in memory": 1000, "read one by one": 250}
"""Real images that are looked at."""
EACH = 5
"""Every so many real images one is held out, and stands in for a fake."""
SIDE = 32
"""Larger images are averaged down to this many pixels a side."""
TELLS = 0.75
"""Share of held-out images whose nearest neighbour has their class, for classes to be told."""


@dataclass(frozen=True)
class Variety:
    """What was seen of some fakes.

    Attributes:
        count: how many fakes.
        distance: their mean distance from each other, over that of real images.
        kinds: exp of the entropy of their classes; None where classes cannot be told.
        real_kinds: the same of real images.
        most: the classes of most fakes with their counts, the largest first.
        contrast: their deviation over pixels, over that of real images; None for points.
    """

    count: int
    distance: float
    kinds: float | None = None
    real_kinds: float | None = None
    most: tuple[tuple[str, int], ...] = ()
    contrast: float | None = None

    @property
    def are_alike(self) -> bool:
        """Whether they are nearly one image."""
        return self.distance < ALIKE

    @property
    def are_few_kinds(self) -> bool:
        """Whether nearly all of them are of one class or two of many."""
        return are_few(self.kinds, self.real_kinds)

    def facts(self) -> dict[str, float]:
        """Return what a result keeps of it."""
        found = {
            "distance": self.distance,
            "contrast": self.contrast,
            "kinds": self.kinds,
            "real_kinds": self.real_kinds,
        }
        return {name: round(value, 4) for name, value in found.items() if value is not None}


def variety(fakes: Tensor, data: ImageData, shape: ImageShape) -> Variety | None:
    """Return how fakes ``[N, C, H, W]`` differ; None where there is nothing to hold them against.

    Args:
        fakes: in the recipe's range.
        data: the real images.
    """
    has_classes = data.labels is not None and data.labels.ndim == 1 and len(data.classes) > 1
    many = REAL["in memory" if isinstance(data.images, Tensor) else "read one by one"]
    chosen = _evenly(len(data), many if has_classes else 2 * FAKES)
    real = reduced(to_range(pick(data, chosen), shape))
    seen = reduced(fakes.float().cpu())
    apart = torch.arange(len(chosen)) % EACH == 0
    wide = mean_distance(real[_evenly(len(real), FAKES)])
    if len(seen) < 2 or not wide > 0:
        return None
    distance = mean_distance(seen) / wide
    contrast = None
    if seen.shape[1] > 2 and (deep := float(real.std(1).mean())) > 0:
        contrast = float(seen.std(1).mean()) / deep
    if not has_classes or not bool(apart.any()) or bool(apart.all()):
        return Variety(len(seen), distance, contrast=contrast)
    assert data.labels is not None
    labels = data.labels[chosen].long().cpu()
    known, names = real[~apart], labels[~apart]
    held_out = names[torch.cdist(real[apart], known).argmin(1)]
    if float((held_out == labels[apart]).float().mean()) < TELLS:
        return Variety(len(seen), distance, contrast=contrast)
    classes = names[torch.cdist(seen, known).argmin(1)]
    return Variety(
        len(seen),
        distance,
        kinds(classes),
        kinds(labels),
        _counted(classes, data.classes),
        contrast,
    )


def reduced(images: Tensor) -> Tensor:
    """Return images as rows of numbers ``[N, D]``, averaged down where they are large."""
    height, width = images.shape[-2:]
    if max(height, width) > SIDE:
        size = (min(height, SIDE), min(width, SIDE))
        images = nn.functional.adaptive_avg_pool2d(images.float(), size)
    return images.float().flatten(1)


def mean_distance(rows: Tensor) -> float:
    """Return the mean Euclidean distance between two of ``[N, D]``; 0 for fewer than two."""
    return float(torch.pdist(rows).double().mean()) if len(rows) > 1 else 0.0


def kinds(classes: Tensor) -> float:
    """Return the number of equally frequent classes with the same entropy as ``[N]`` classes."""
    counts = classes.bincount()
    shares = counts[counts > 0].double() / len(classes)
    return float((-(shares * shares.log()).sum()).exp())


def _counted(classes: Tensor, names: Sequence[str]) -> tuple[tuple[str, int], ...]:
    counts = classes.bincount(minlength=len(names)).tolist()
    found = sorted(enumerate(counts), key=lambda each: -each[1])
    return tuple(
        (str(names[number]) if number < len(names) else str(number), count)
        for number, count in found[:3]
        if count
    )


def _evenly(length: int, count: int) -> Tensor:
    """Return at most ``count`` numbers below ``length``, evenly spaced."""
    return torch.linspace(0, length - 1, min(length, count)).round().long()
