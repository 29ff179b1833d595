"""The three augmentations of DiffAugment on a batch; each image has its own draws."""

from __future__ import annotations

import torch
from torch import Tensor

SHIFT = 0.125
"""Largest translation, as a share of the side."""
HOLE = 0.5
"""Side of the square that is cut out, as a share of the image's."""


def color(images: Tensor) -> Tensor:
    """Change brightness, saturation and contrast of ``[N, C, H, W]``, in this order."""
    images = images + (_uniform(images) - 0.5)
    grey = images.mean(1, keepdim=True)
    images = (images - grey) * (2 * _uniform(images)) + grey
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * (_uniform(images) + 0.5) + mean


def translation(images: Tensor) -> Tensor:
    """Move ``[N, C, H, W]`` by up to an eighth of each side; zeros come in."""
    _, _, height, width = images.shape
    rows, inside_rows = _moved(images, height)
    columns, inside_columns = _moved(images, width)
    # [N, C, H, W] at [N, 1, H, 1] and [N, 1, 1, W]
    images = images.gather(2, rows[:, None, :, None].expand_as(images))
    images = images.gather(3, columns[:, None, None, :].expand_as(images))
    inside = inside_rows[:, None, :, None] & inside_columns[:, None, None, :]
    return images * inside


def cutout(images: Tensor) -> Tensor:
    """Set a square of half the side of ``[N, C, H, W]`` to zero; it may lie partly outside."""
    hole = (
        _hole(images, images.shape[2])[:, None, :, None]
        & (_hole(images, images.shape[3])[:, None, None, :])
    )
    return images * ~hole


def _uniform(images: Tensor) -> Tensor:
    """Draw a number in [0, 1) for each image, ``[N, 1, 1, 1]``."""
    return torch.rand(len(images), 1, 1, 1, dtype=images.dtype, device=images.device)


def _moved(images: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Return where each row or column is read from, ``[N, side]``, and whether it is there."""
    most = int(side * SHIFT + 0.5)
    by = torch.randint(-most, most + 1, (len(images), 1), device=images.device)
    source = torch.arange(side, device=images.device) + by
    return source.clamp(0, side - 1), (source >= 0) & (source < side)


def _hole(images: Tensor, side: int) -> Tensor:
    """Return which rows or columns the hole covers, ``[N, side]``."""
    size = int(side * HOLE + 0.5)
    # The centre is anywhere in the image; an even hole lies one further up or left.
    centre = torch.randint(0, side + (1 - size % 2), (len(images), 1), device=images.device)
    first = centre - size // 2
    place = torch.arange(side, device=images.device)
    return (place >= first) & (place < first + size)


AUGMENTATIONS = {"color": color, "translation": translation, "cutout": cutout}
