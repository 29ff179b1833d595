"""A picture of points: real ones grey, a generator's coloured."""

from __future__ import annotations

from PIL import Image, ImageDraw
from torch import Tensor, cat, zeros_like

SIDE = 480
MARGIN = 0.15
REAL = (170, 170, 170)
FAKE = (214, 69, 65)
DOT = 1.5
LARGE_DOT = 6.0
FEW = 50
"""Where there are so few different points, each is a large dot."""


def scatter(fake: Tensor | None, real: Tensor) -> Image.Image:
    """Draw ``[N, D, 1, 1]`` points over ``[M, D, 1, 1]`` real ones, in the frame of the real.

    The first two coordinates; one coordinate is drawn on a line. Points outside are not seen.
    """
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    draw = ImageDraw.Draw(picture)
    ground = _plane(real)
    low, high = ground.min(0).values, ground.max(0).values
    middle = (low + high) / 2
    # One scale for both directions, and some room where all points are one.
    reach = max(float((high - low).max()) / 2, 0.5) * (1 + 2 * MARGIN)
    for points, colour in ((ground, REAL), (None if fake is None else _plane(fake), FAKE)):
        if points is None:
            continue
        dot = LARGE_DOT if len(set(map(tuple, points[: 20 * FEW].tolist()))) <= FEW else DOT
        for x, y in ((points - middle) / reach).tolist():
            column, row = (1 + x) * SIDE / 2, (1 - y) * SIDE / 2
            draw.ellipse((column - dot, row - dot, column + dot, row + dot), fill=colour)
    return picture


def _plane(points: Tensor) -> Tensor:
    flat = points.detach().flatten(1).float().cpu()
    return flat[:, :2] if flat.shape[1] > 1 else cat([flat, zeros_like(flat)], 1)
