"""One encoded image to bytes of the recipe's shape, with a record of what was done to it.

Nothing is trusted: five formats are read, others are not even tried; a header that claims more
pixels than any photograph has is refused before anything is decoded.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

from PIL import Image, ImageOps, UnidentifiedImageError

from ganzoo_datasets.stores import UnreadableError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
PIXELS = 50_000_000
"""Pixels at most in one image."""
BYTES = 256 << 20
"""Bytes at most in one encoded image."""
ASPECT = 4
"""Longer side over shorter from which a crop is worth a note."""
ORIENTATION = 0x0112
BROKEN = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow raises for broken images, of its own and let through from below."""


@dataclass(frozen=True)
class Frame:
    """The shape all images get, and how."""

    channels: int
    height: int
    width: int
    crop: Literal["center", "none"]
    resample: Literal["bilinear", "bicubic", "lanczos", "box", "nearest"]
    background: tuple[int, int, int]

    @property
    def num_bytes(self) -> int:
        """Bytes of one image."""
        return self.channels * self.height * self.width


def decode(data: bytes, frame: Frame) -> tuple[bytes, frozenset[str]]:
    """Return ``[C · H · W]`` bytes, plane after plane, and the kinds of changes made.

    16-bit grey is divided by 257, so that 65535 becomes 255; palettes, CMYK and 1-bit images
    become RGB or grey; transparency is composited on the background; photographs are turned as
    EXIF says; of an animation the first frame is taken.

    Raises:
        UnreadableError: if it is not an image, is broken or too large.
    """
    changes: set[str] = set()
    try:
        with _opened(data) as image:
            upright = _upright(image, changes)
            flat = _flat(upright, data, frame, changes)
            fitted = _fitted(flat.convert("L" if frame.channels == 1 else "RGB"), frame, changes)
    except BROKEN as error:
        raise UnreadableError(_reason(error)) from error
    return b"".join(band.tobytes() for band in fitted.split()), frozenset(changes)


def check(data: bytes) -> None:
    """Check that an image can be read, without decoding one whose end is in its place.

    Raises:
        UnreadableError: if it is not an image, is broken or too large.
    """
    try:
        with _opened(data) as image:
            if not _is_whole(data, image.format):
                image.load()
    except BROKEN as error:
        raise UnreadableError(_reason(error)) from error


def _opened(data: bytes) -> Image.Image:
    if not data:
        raise UnreadableError("empty file")
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise UnreadableError(f"not {', '.join(FORMATS[:-1])} or {FORMATS[-1]}") from error
    if image.width * image.height > PIXELS:
        raise UnreadableError(f"{image.width}×{image.height} is more than {PIXELS:,} pixels")
    return image


def _is_whole(data: bytes, format_: str | None) -> bool:
    """Tell whether the end is where the format has it; False where one has to look closer."""
    if format_ == "JPEG":
        return data.rstrip(b"\0")[-2:] == b"\xff\xd9"
    if format_ == "PNG":
        return b"IEND\xaeB`\x82" in data[-64:]
    if format_ == "WEBP":
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    return False


def _upright(image: Image.Image, changes: set[str]) -> Image.Image:
    if getattr(image, "is_animated", False):
        changes.add("animated, the first frame is taken")
    image.load()
    if image.getexif().get(ORIENTATION, 1) in range(2, 9):
        changes.add("turned upright as EXIF says")
        return ImageOps.exif_transpose(image)
    return image


def _flat(image: Image.Image, data: bytes, frame: Frame, changes: set[str]) -> Image.Image:
    """Return the image as L or RGB, opaque."""
    if image.mode.startswith("I"):
        changes.add("16-bit, divided by 257")
        return image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    if image.format == "PNG" and data[24] == 16:
        changes.add("16 bits a channel, the upper 8 are taken")
    if image.mode == "1":
        changes.add("1-bit, made black and white")
    elif image.mode == "CMYK":
        changes.add("CMYK, converted to RGB")
    elif image.mode in {"P", "PA"}:
        changes.add("palette, converted to RGB")
    if image.has_transparency_data:
        whole = image.convert("RGBA")
        if whole.getchannel("A").getextrema() != (255, 255):
            changes.add(f"transparent, composited on {frame.background}")
        ground = Image.new("RGBA", image.size, (*frame.background, 255))
        return Image.alpha_composite(ground, whole).convert("RGB")
    return image.convert("L" if image.mode in {"1", "L"} else "RGB")


def _fitted(image: Image.Image, frame: Frame, changes: set[str]) -> Image.Image:
    size = (frame.width, frame.height)
    if image.size == size:
        return image
    if image.width < frame.width or image.height < frame.height:
        changes.add(f"smaller than {frame.width}×{frame.height}, enlarged")
    method = Image.Resampling[frame.resample.upper()]
    if frame.crop == "none":
        return image.resize(size, method)
    if max(image.size) > ASPECT * min(image.size):
        changes.add(f"longer than {ASPECT}:1, only the middle is taken")
    return ImageOps.fit(image, size, method)


def _reason(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, EOFError) or "truncated" in text.lower():
        return "truncated"
    return text.splitlines()[0][:100] if text else type(error).__name__
