"""Fakes beside their nearest training images: copies show at a glance."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from ganzoo.feed import to_range
from ganzoo.grids import sheet
from ganzoo.measure.pixels import pick
from ganzoo.measure.reference import nearest
from ganzoo.specs import ImageData, ImageShape

NEIGHBOURS = 5


def neighbours(images: Tensor, train: ImageData, image: ImageShape) -> Image.Image:
    """Return a sheet with one row per fake: the fake, then its five nearest training images.

    Args:
        images: fakes ``[N, C, H, W]`` as stored.
    """
    _, numbers = nearest(images, train, min(NEIGHBOURS, len(train)))
    rows = [
        torch.cat([fake.unsqueeze(0), pick(train, own)])
        for fake, own in zip(images, numbers, strict=True)
    ]
    return sheet(to_range(torch.cat(rows), image), image, 1 + numbers.shape[1])
