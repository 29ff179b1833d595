"""Sides and widths of FastGAN's maps, which follow from an image's side."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ganzoo.api import GanzooError, ImageShape

Base = Annotated[int, Field(ge=8, le=512, multiple_of=8)]

LARGEST, SMALLEST = 1024, 32
FIRST = 4
"""Side of the generator's first map."""
LAST = 8
"""Side of the discriminator's last map."""

MULTIPLES = {4: 16, 8: 8, 16: 4, 32: 2, 64: 2, 128: 1, 256: 0.5, 512: 0.25, 1024: 0.125}
"""Channels of the generator's map of a side, in base channels."""


def side_of(kind: Literal["generator", "discriminator"], image: ImageShape) -> int:
    """Return the images' side.

    Raises:
        GanzooError: if they are not square, or their side is none of 32, 64, … 1024.
    """
    side = image.width
    fits = SMALLEST <= side <= LARGEST and side & (side - 1) == 0
    if image.height != side or not fits:
        raise GanzooError(
            f"{kind} 'fastgan': {image.height}×{image.width} images are not one of 32×32, 64×64, … "
            f"{LARGEST}×{LARGEST}; set dataset.size, or take 'resnet' or 'r3gan'"
        )
    return side


def small_side(side: int) -> int:
    """Return the side of the second, small image that is made and judged."""
    return min(128, side // 2)


def made_width(base: int, side: int) -> int:
    """Return the channels of the generator's map of that side."""
    return int(base * MULTIPLES[side])


def judged_width(base: int, side: int) -> int:
    """Return the channels of the discriminator's map of that side."""
    return base * 64 // side


def small_width(base: int, side: int) -> int:
    """Return the channels of a map of that side on the small image's way."""
    return base * 32 // side


def doublings(first: int, last: int) -> list[int]:
    """Return the sides after ``first`` up to ``last``."""
    sides = []
    while first < last:
        first *= 2
        sides.append(first)
    return sides
