"""Sample sheets and the GIF of a run."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from ganzoo.common.errors import GanzooError, RefusedError
from ganzoo.common.files import OUT, PICTURES, publish
from ganzoo.common.inside import read_inside
from ganzoo.plugin.types import ImageShape
from ganzoo.report.spacing import evenly
from ganzoo.runs.folder import MOST_PICTURE

GAP = 2
"""Black pixels around each image, unless a recipe says otherwise."""
SQUARES = 8
"""Squares of the ground behind an image with opacity, along its shorter side."""
LIGHT, DARK = 224, 160
MOST_CHANNELS = 16
"""Channels shown of an image that has more than four."""
MAX_FRAMES = 60
MIN_SHEET_WIDTH = 320
MOST_PIXELS = 64_000_000
"""Of one sheet."""


Fill = Literal["rows", "columns"]


def sheet(
    images: Tensor, shape: ImageShape, columns: int, *, gap: int = GAP, fill: Fill = "rows"
) -> Image.Image:
    """Lay ``[N, C, H, W]`` images in [low, high] out, ``gap`` black pixels around each.

    One channel becomes a grey image, three an RGB one; of two and four the last is opacity, over a
    chequered ground; of more each image is its channels side by side, in grey.

    Args:
        fill: whether the second image is to the right of the first or below it.
    """
    return mosaic(to_pixels(images, shape), columns, gap=gap, fill=fill)


def mosaic(pixels: Tensor, columns: int, *, gap: int = GAP, fill: Fill = "rows") -> Image.Image:
    """Lay ``[N, C, H, W]`` uint8 images out as ``sheet`` does."""
    pixels = visible(pixels)
    count, channels, height, width = pixels.shape
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


def visible(pixels: Tensor) -> Tensor:
    """Return ``[N, C, H, W]`` bytes as grey or RGB ones, ``[N, 1 or 3, H', W']``."""
    count, channels, height, width = pixels.shape
    if channels in (1, 3):
        return pixels
    if channels in (2, 4):
        rows, columns = torch.arange(height)[:, None], torch.arange(width)
        side = max(1, min(height, width) // SQUARES)
        light = (rows // side + columns // side) % 2 == 0
        ground = torch.where(light, LIGHT, DARK).to(torch.float32)
        opacity = pixels[:, -1:].float() / 255
        seen = pixels[:, :-1].float() * opacity + ground * (1 - opacity)
        return seen.round().to(torch.uint8)
    shown = min(channels, MOST_CHANNELS)
    across = math.ceil(math.sqrt(shown))
    down = -(-shown // across)
    tiled = pixels.new_zeros(count, across * down, height, width)
    tiled[:, :shown] = pixels[:, :shown]
    tiled = tiled.view(count, down, across, height, width).permute(0, 1, 3, 2, 4)
    return tiled.reshape(count, 1, down * height, across * width)


def picture(pixels: Tensor) -> Image.Image:
    """Return one image ``[C, H, W]`` of bytes as a picture; two and four channels keep opacity."""
    if len(pixels) not in (2, 4):
        pixels = visible(pixels.unsqueeze(0))[0]
    array = pixels.permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array[:, :, 0] if len(pixels) == 1 else array)


def to_pixels(images: Tensor, shape: ImageShape) -> Tensor:
    """Return ``images`` as uint8 on the CPU, [low, high] becoming 0 to 255."""
    unit = (images.detach().float() - shape.low) / (shape.high - shape.low)
    return unit.mul(255).round_().clamp_(0, 255).to(torch.uint8).cpu()


def save_png(image: Image.Image, path: Path) -> None:
    """Write ``image`` as PNG, whole or not at all."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    publish(path, buffer.getvalue())


def save_picture(image: Image.Image, path: Path, elsewhere: str = OUT) -> None:
    """Write ``image`` in the format that the file's name says; see ``publish``.

    Raises:
        GanzooError: if it says none that is known.
    """
    kind = PICTURES.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(PICTURES)
        raise GanzooError(f"'{path}' does not end in a known image format: use {known}")
    buffer = io.BytesIO()
    # Of JPEG the best that is of use; PNG and lossless WEBP keep every pixel.
    options: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": 95, "subsampling": 0},
        "WEBP": {"lossless": True},
    }
    image.save(buffer, kind, **options.get(kind, {}))
    publish(path, buffer.getvalue(), elsewhere)


def save_gif(sheets: Sequence[Path], path: Path, seconds: float = 6.0) -> None:
    """Write the sheets as one looping GIF; at most 60 of them, evenly chosen, the last included.

    What is no picture is left out.
    """
    frames = [frame for file in evenly(list(sheets), MAX_FRAMES) if (frame := opened(file))]
    if frames:
        save_film(frames, path, seconds)


def opened(file: Path) -> Image.Image | None:
    """Return the picture in a PNG file; None where it is none, or far too large for a sheet."""
    try:
        content = io.BytesIO(read_inside(file.parent, file.name, most=MOST_PICTURE))
        picture = Image.open(content, formats=["PNG"])
        if picture.width * picture.height > MOST_PIXELS:
            return None
        picture.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, RefusedError):
        return None
    return picture


def save_film(
    pictures: Sequence[Image.Image],
    path: Path,
    seconds: float,
    rest: int = 1500,
    elsewhere: str = OUT,
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
    publish(path, buffer.getvalue(), elsewhere)


def enlarged(image: Image.Image) -> Image.Image:
    """Return ``image`` magnified by a whole factor until it is comfortable to look at."""
    factor = max(1, MIN_SHEET_WIDTH // image.width)
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
