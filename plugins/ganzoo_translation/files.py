"""Pictures of any size as tensors, and tensors as pictures."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo.api import GanzooError, ImageShape

if TYPE_CHECKING:
    from torch import Tensor

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
MODES = {1: "L", 3: "RGB"}


def found_in(path: Path) -> list[Path]:
    """Return the picture, or the pictures of a folder and its folders by name.

    Raises:
        GanzooError: if there are none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise GanzooError(f"there is no picture or folder '{path}'")
    found = sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES)
    found = [each for each in found if each.is_file()]
    if not found:
        raise GanzooError(f"no pictures in '{path}'; {', '.join(sorted(SUFFIXES))} are read")
    return found


def target_of(name: Path, pictures: Path, folder: Path, names: Sequence[Path]) -> Path:
    """Return where the translation of a picture goes: by its name, as PNG."""
    below = Path(name.name) if name == pictures else name.relative_to(pictures)
    alike = [each for each in names if each.with_suffix("") == name.with_suffix("")]
    # 'a.jpg' beside 'a.png' keeps its ending.
    if len(alike) > 1:
        return folder / below.with_name(f"{below.name}.png")
    return folder / below.with_suffix(".png")


def read(path: Path, image: ImageShape) -> Tensor:
    """Return a picture ``[1, C', H, W]`` as the generator of ``image`` is given it.

    It is turned as its EXIF says and laid on white where it is transparent.

    Raises:
        GanzooError: if it is no picture that can be read, or pictures have other channels.
    """
    import numpy
    import torch
    from PIL import Image, ImageOps, UnidentifiedImageError

    channels = image.input_shape[0]
    if channels not in MODES:
        raise GanzooError(f"the generator takes {channels} channels, and pictures have 1 or 3")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as file:
                picture = ImageOps.exif_transpose(file)
                if picture.has_transparency_data:
                    picture = picture.convert("RGBA")
                    white = Image.new("RGBA", picture.size, "white")
                    picture = Image.alpha_composite(white, picture)
                picture = picture.convert(MODES[channels])
    except (UnidentifiedImageError, Image.DecompressionBombError,
            Image.DecompressionBombWarning, OSError, ValueError, SyntaxError) as error:  # fmt: skip
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise GanzooError(f"picture '{path}' cannot be read: {reason}") from error
    values = torch.from_numpy(numpy.array(picture)).view(picture.height, picture.width, channels)
    unit = values.permute(2, 0, 1)[None].float() / 255
    return unit * (image.high - image.low) + image.low


def write(images: Tensor, image: ImageShape, path: Path) -> None:
    """Write ``[1, C, H, W]`` in the recipe's range as PNG.

    Raises:
        GanzooError: if the disk refuses, or there is no picture of so many channels.
    """
    import torch
    from PIL import Image

    if image.channels not in MODES:
        raise GanzooError(
            f"the generator makes {image.channels} channels, and pictures have 1 or 3"
        )
    unit = (images[0].float() - image.low) / (image.high - image.low)
    values = (unit * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    made = Image.fromarray(values[:, :, 0] if image.channels == 1 else values)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made.save(path, "PNG")
    except OSError as error:
        raise GanzooError(
            f"'{path}' cannot be written: {error.strerror}; name another --out"
        ) from error
