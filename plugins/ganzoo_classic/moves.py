"""Flips and shifts of whole images, drawn for each; differentiable as often as asked."""

from __future__ import annotations

import torch
from torch import Tensor


def flipped_and_shifted(images: Tensor, reach: float = 0.125) -> Tensor:
    """Flip half of ``[N, C, H, W]``, and shift each by up to ``reach`` of its sides.

    What comes in at an edge is what lies inside of it, mirrored.
    """
    height, width = images.shape[2:]
    is_flipped = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    images = torch.where(is_flipped, images.flip(3), images)
    rows, columns = _shift(images, height, reach), _shift(images, width, reach)
    images = images.gather(2, rows[:, None, :, None].expand_as(images))
    return images.gather(3, columns[:, None, None, :].expand_as(images))


def _shift(images: Tensor, side: int, reach: float) -> Tensor:
    """Return where each place of a side is taken from, ``[N, side]``."""
    most = min(side - 1, max(1, round(side * reach))) if side > 1 else 0
    shift = torch.randint(-most, most + 1, (len(images), 1), device=images.device)
    return mirrored(torch.arange(side, device=images.device) + shift, side)


def mirrored(places: Tensor, side: int) -> Tensor:
    """Fold whole numbers into [0, side), mirrored at the outermost ones."""
    if side == 1:
        return torch.zeros_like(places)
    folded = places.remainder(2 * (side - 1))
    return torch.minimum(folded, 2 * (side - 1) - folded)
