"""How deep a network is where its depth follows the images' size."""

from __future__ import annotations

SMALLEST, LARGEST = 4, 7
"""Shorter side of the smallest map."""
WIDEST = 8
"""Width at most of a map, in multiples of base_channels, where widths follow the depth."""
Size = tuple[int, int]


def grown(height: int, width: int) -> list[Size]:
    """Return the maps of a generator, first to image: each at most twice the one before.

    Of an odd size the map before is half of it, rounded up: 4, 8, 15, 30.
    """
    sizes = [(height, width)]
    while min(sizes[0]) > LARGEST:
        sizes.insert(0, (-(-sizes[0][0] // 2), -(-sizes[0][1] // 2)))
    return sizes


def widths(depth: int) -> list[int]:
    """Return widths that double from layer to layer, up to the widest."""
    return [min(WIDEST, 2**power) for power in range(depth)]


def nearest(side: int, factor: int) -> str:
    """Return the multiples of ``factor`` around a side in words: '24 or 32'."""
    below = side // factor * factor
    return f"{below} or {below + factor}" if below else str(factor)
