"""A picture of any size as one image of a generator's shape."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo.api import GanzooError, ImageShape

if TYPE_CHECKING:
    from torch import Tensor

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""How Pillow calls so many channels."""


def read_picture(path: Path, image: ImageShape) -> tuple[Tensor, str]:
    """Return a picture as ``[1, C, H, W]`` in the range of ``image``, and what was done to it.

    It is turned as its EXIF says, laid on white where it is transparent and the images are not,
    cut to their sides' proportion around its middle, and resized.

    Raises:
        GanzooError: if it is no picture that can be read, or such images are none.
    """
    import numpy
    import torch
    from PIL import Image, ImageOps, UnidentifiedImageError

    if (mode := MODES.get(image.channels)) is None:
        raise GanzooError(
            f"the generator's images have {image.channels} channels, a picture has 1 to 4"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as file:
                picture = ImageOps.exif_transpose(file)
                done = [f"{picture.width}×{picture.height} {picture.mode}"]
                is_clear = picture.has_transparency_data
                if is_clear and mode in {"L", "RGB"}:
                    picture = picture.convert("RGBA")
                    white = Image.new("RGBA", picture.size, "white")
                    picture = Image.alpha_composite(white, picture)
                    done.append("laid on white")
                picture = picture.convert(mode)
    except (UnidentifiedImageError, Image.DecompressionBombError,
            Image.DecompressionBombWarning, OSError, ValueError, SyntaxError) as error:  # fmt: skip
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise GanzooError(
            f"picture '{path}' cannot be read: {reason}; give a {', '.join(FORMATS)} file"
        ) from error
    sides = (image.width, image.height)
    if picture.size != sides:
        if picture.width * image.height != picture.height * image.width:
            done.append("cropped around its center")
        done.append(f"resized to {image.width}×{image.height}")
        picture = ImageOps.fit(picture, sides, Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(numpy.array(picture, dtype=numpy.float32))
    pixels = pixels.view(1, image.height, image.width, image.channels).permute(0, 3, 1, 2)
    return pixels / 255 * (image.high - image.low) + image.low, ", ".join(done)
