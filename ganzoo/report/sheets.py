"""Sample sheets and the GIF of a run."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from torch import Tensor

from ganzoo.common.files import publish
from ganzoo.plugin.types import ImageShape
from ganzoo.report.spacing import evenly

GAP = 2
"""Black pixels around each image, unless a recipe says otherwise."""
MAX_FRAMES = 60
MIN_SHEET_WIDTH = 320


Fill = Literal["rows", "columns"]


def sheet(
    images: Tensor, shape: ImageShape, columns: int, *, gap: int = GAP, fill: Fill = "rows"
) -> Image.Image:
    """Lay ``[N, C, H, W]`` images in [low, high] out, ``gap`` black pixels around each.

    One channel becomes a grey image, three an RGB one, any other number the mean of its channels.

    Args:
        fill: whether the second image is to the right of the first or below it.
    """
    return mosaic(to_pixels(images, shape), columns, gap=gap, fill=fill)


def mosaic(pixels: Tensor, columns: int, *, gap: int = GAP, fill: Fill = "rows") -> Image.Image:
    """Lay ``[N, C, H, W]`` uint8 images out as ``sheet`` does."""
    count, channels, height, width = pixels.shape
    if channels not in (1, 3):
        pixels = pixels.float().mean(1, keepdim=True).to(torch.uint8)
        channels = 1
    rows = -(-count // columns)
    cell_height, cell_width = height + gap, width + gap
    canvas = torch.zeros(
        channels, rows * cell_height + gap, columns * cell_width + gap, dtype=torch.uint8
    )
    for number, image in enumerate(pixels):
        if fill == "rows":
            row, column = divmod(number, columns)
        else:
            column, row = divmod(number, rows)
        top, left = row * cell_height + gap, column * cell_width + gap
        canvas[:, top : top + height, left : left + width] = image
    array = canvas.permute(1, 2, 0).numpy()
    return Image.fromarray(array[:, :, 0] if channels == 1 else array)


def to_pixels(images: Tensor, shape: ImageShape) -> Tensor:
    """Return ``images`` as uint8 on the CPU, [low, high] becoming 0 to 255."""
    unit = (images.detach().float() - shape.low) / (shape.high - shape.low)
    return unit.mul(255).round_().clamp_(0, 255).to(torch.uint8).cpu()


def save_png(image: Image.Image, path: Path) -> None:
    """Write ``image`` as PNG, whole or not at all."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    publish(path, buffer.getvalue())


def save_gif(sheets: Sequence[Path], path: Path, seconds: float = 6.0) -> None:
    """Write the sheets as one looping GIF; at most 60 of them, evenly chosen, the last included."""
    chosen = evenly(list(sheets), MAX_FRAMES)
    if not chosen:
        return
    save_film([Image.open(name) for name in chosen], path, seconds)


def save_film(
    pictures: Sequence[Image.Image], path: Path, seconds: float, rest: int = 1500
) -> None:
    """Write ``pictures`` as one looping GIF; the last is shown for ``rest`` milliseconds."""
    frames = [enlarged(picture) for picture in pictures]
    if frames[0].mode == "RGB":
        # Pillow's default palette search takes seconds for photographs.
        frames = [frame.quantize(128, Image.Quantize.FASTOCTREE) for frame in frames]
    duration = max(40, int(1000 * seconds / len(frames)))
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        duration=[duration] * (len(frames) - 1) + [rest],
        loop=0,
    )
    publish(path, buffer.getvalue())


def enlarged(image: Image.Image) -> Image.Image:
    """Return ``image`` magnified by a whole factor until it is comfortable to look at."""
    factor = max(1, MIN_SHEET_WIDTH // image.width)
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
