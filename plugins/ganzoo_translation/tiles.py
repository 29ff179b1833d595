"""Pictures of any size through a network: mirrored to sides that it takes, or in tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

OVERLAP = 4
"""Tiles overlap by a quarter of their side."""


def translated(model: Any, given: Tensor, tile: int) -> Tensor:
    """Return what becomes of ``[1, C', H, W]``: ``[1, C, H, W]``.

    Args:
        model: a run's generator; one whose spec does not say which sides it takes is given tiles
            of the size it was trained with.
        tile: pixels above which a side goes through in tiles.
    """
    factor = getattr(model.recipe.generator, "multiple", None)
    height, width = given.shape[-2:]
    if factor is None:
        high, wide = model.image.input_shape[1:]
    else:
        most = max(factor, tile // factor * factor)
        high, wide = (min(most, -(-side // factor) * factor) for side in (height, width))
    return stitched(model.translate, given, high, wide)


def stitched(translate: Callable[[Tensor], Tensor], given: Tensor, high: int, wide: int) -> Tensor:
    """Return a picture translated in tiles of these sides, faded into each other."""
    import torch

    height, width = given.shape[-2:]
    padded = mirrored(given, max(height, high), max(width, wide))
    rows, columns = starts(padded.shape[-2], high), starts(padded.shape[-1], wide)
    weight = fade(high)[:, None] * fade(wide)
    if len(rows) == len(columns) == 1:
        return translate(padded)[..., :height, :width]
    total, weights = None, torch.zeros(padded.shape[-2:])
    for top in rows:
        for left in columns:
            made = translate(padded[..., top : top + high, left : left + wide])
            if total is None:
                total = made.new_zeros(*made.shape[:2], *padded.shape[-2:])
            total[..., top : top + high, left : left + wide] += made * weight
            weights[top : top + high, left : left + wide] += weight
    assert total is not None
    return (total / weights)[..., :height, :width]


def starts(length: int, tile: int) -> list[int]:
    """Return where tiles begin, evenly, overlapping by a quarter of them or more."""
    if length <= tile:
        return [0]
    step = tile - tile // OVERLAP
    count = -(-(length - tile) // step) + 1
    return [round(number * (length - tile) / (count - 1)) for number in range(count)]


def fade(length: int) -> Tensor:
    """Return weights that fall towards both ends of a tile and never to 0."""
    import torch

    place = torch.arange(length, dtype=torch.float32)
    return torch.minimum(place + 1, length - place).clamp(max=max(1, length // OVERLAP))


def mirrored(given: Tensor, height: int, width: int) -> Tensor:
    """Return a picture made larger to the right and below by its mirror images."""
    import torch

    for dim, wanted in ((2, height), (3, width)):
        while given.shape[dim] < wanted:
            more = min(wanted - given.shape[dim], max(1, given.shape[dim] - 1))
            # Without the last line, which would be there twice; of one line that line.
            end = given.shape[dim] - (1 if given.shape[dim] > 1 else 0)
            piece = given.narrow(dim, end - more, more).flip(dim)
            given = torch.cat([given, piece], dim)
    return given
