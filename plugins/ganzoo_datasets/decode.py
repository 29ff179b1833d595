"""One encoded image to bytes of the recipe's shape, with a record of what was done to it.

Nothing is trusted: five formats are read, others are not even tried; a header that claims more
pixels than any photograph has is refused before anything is decoded.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from io import BytesIO
from typing import Literal

from PIL import Image, ImageChops, ImageMath, ImageOps, UnidentifiedImageError

from ganzoo_datasets.archives import UnreadableError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
PIXELS = 50_000_000
"""Pixels at most in one image, unless more are asked for."""
TWELVE_BITS = 4095
"""The highest value of cameras and scanners that put 12 bits into 16."""
BYTES = 256 << 20
"""Bytes at most in one encoded image."""
ASPECT = 4
"""Longer side over shorter from which a crop is worth a note."""
ORIENTATION = 0x0112
COLOURED = frozenset({"RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "P", "PA"})
"""Pillow's names for images that may have colours; grey ones are often stored as such, too."""
TINT = 2
"""Difference between red, green and blue that rounding explains."""
BROKEN = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow raises for broken images, of its own and let through from below."""
NO_MEMORY = "out of memory"
"""Stands in the OSError of a decoder of Pillow's that got none: the image may well be whole."""


@dataclass(frozen=True)
class Frame:
    """The shape all images get, and how."""

    channels: int
    height: int
    width: int
    crop: Literal["center", "none"]
    resample: Literal["bilinear", "bicubic", "lanczos", "box", "nearest"]
    background: tuple[int, int, int]
    most_pixels: int = field(default=PIXELS, repr=False)
    """Changes no pixel of an image, and so nothing that is told apart by a frame."""

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
    try:
        with _opened(data, frame) as image:
            image.load()
            changes = _changes(image, data, frame)
            flat = _flat(ImageOps.exif_transpose(image), frame)
            fitted = _fitted(flat.convert("L" if frame.channels == 1 else "RGB"), frame)
    except BROKEN as error:
        if NO_MEMORY in str(error):
            raise
        raise UnreadableError(_reason(error)) from error
    return b"".join(band.tobytes() for band in fitted.split()), changes


def check(data: bytes, frame: Frame) -> frozenset[str]:
    """Return the kinds of changes that ``decode`` will make, as far as the header tells.

    What is after the header is decoded only where the end of the data is not in its place, of
    images with 16 bits, which may be darker than they look, and of those that may lose colours.

    Raises:
        UnreadableError: if it is not an image, is broken or too large.
    """
    try:
        with _opened(data, frame) as image:
            if _has_16_bits(image, data) or _may_lose_colour(image, frame):
                image.load()
            changes = _changes(image, data, frame)
            if not _is_whole(data, image.format):
                image.load()
    except BROKEN as error:
        if NO_MEMORY in str(error):
            raise
        raise UnreadableError(_reason(error)) from error
    return changes


def _opened(data: bytes, frame: Frame) -> Image.Image:
    if not data:
        raise UnreadableError("empty file")
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise UnreadableError(f"not {', '.join(FORMATS[:-1])} or {FORMATS[-1]}") from error
    if image.width * image.height > frame.most_pixels:
        raise UnreadableError(
            f"{image.width}×{image.height} is more than {frame.most_pixels:,} pixels, which "
            "dataset.max_pixels allows"
        )
    return image


def _changes(image: Image.Image, data: bytes, frame: Frame) -> frozenset[str]:
    """Return what will be done to the image, which is decoded where its pixels have to be seen."""
    mode, width, height = image.mode, image.width, image.height
    # Of a PNG without EXIF data before its pixels, getexif() decodes all to look behind them.
    has_exif = image.format != "PNG" or "exif" in image.info
    orientation = image.getexif().get(ORIENTATION, 1) if has_exif else 1
    if orientation in range(5, 9):
        width, height = height, width
    applies = {
        "animated, the first frame is taken": getattr(image, "is_animated", False),
        "turned upright as EXIF says": orientation in range(2, 9),
        "16-bit, divided by 257": mode.startswith("I"),
        "16 bits a channel, the upper 8 are taken": _has_16_bits(image, data)
        and not mode.startswith("I"),
        "16 bits of which 12 or fewer are used, nearly black; stretch them before": (
            _has_16_bits(image, data) and _is_nearly_black(image)
        ),
        "colour, made grey": _may_lose_colour(image, frame) and _has_colour(image),
        "1-bit, made black and white": mode == "1",
        "CMYK, converted to RGB": mode == "CMYK",
        "palette, converted to RGB": mode in {"P", "PA"},
        f"with alpha, composited on {frame.background}": image.has_transparency_data,
        f"smaller than {frame.width}×{frame.height}, enlarged": width < frame.width
        or height < frame.height,
        f"longer than {ASPECT}:1, only the middle is taken": frame.crop == "center"
        and max(width, height) > ASPECT * min(width, height),
    }
    return frozenset(change for change, is_made in applies.items() if is_made)


def _has_16_bits(image: Image.Image, data: bytes) -> bool:
    return image.mode.startswith("I") or (image.format == "PNG" and data[24:25] == b"\x10")


def _may_lose_colour(image: Image.Image, frame: Frame) -> bool:
    return frame.channels == 1 and image.mode in COLOURED


def _has_colour(image: Image.Image) -> bool:
    """Tell whether red, green and blue differ anywhere in a decoded image."""
    red, green, blue = image.convert("RGBA" if image.mode == "PA" else "RGB").split()[:3]
    pairs = (ImageChops.difference(red, other).getextrema() for other in (green, blue))
    return any(int(pair[1]) > TINT for pair in pairs)  # type: ignore[arg-type]


def _is_nearly_black(image: Image.Image) -> bool:
    """Tell whether nothing in a decoded image of 16 bits is brighter than 12 bits make it."""
    extrema = image.getextrema()
    each = extrema if isinstance(extrema[0], tuple) else (extrema,)
    colours = each[:-1] if image.mode in {"LA", "RGBA"} else each
    # Of several channels Pillow keeps the upper 8 bits.
    most = TWELVE_BITS if image.mode.startswith("I") else TWELVE_BITS >> 8
    return 0 < max(high for _, high in colours) <= most


def _is_whole(data: bytes, format_: str | None) -> bool:
    """Tell whether the end is where the format has it; False where one has to look closer."""
    if format_ == "JPEG":
        return data.rstrip(b"\0")[-2:] == b"\xff\xd9"
    if format_ == "PNG":
        return b"IEND\xaeB`\x82" in data[-64:]
    if format_ == "WEBP":
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    return False


def _flat(image: Image.Image, frame: Frame) -> Image.Image:
    """Return the image as L or RGB, opaque."""
    if image.mode.startswith("I"):
        grey = image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
        clear = image.info.get("transparency")
        return grey if clear is None else _on_background(image.convert("I"), grey, clear, frame)
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (*frame.background, 255))
        return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    return image.convert("L" if image.mode in {"1", "L"} else "RGB")


def _on_background(raw: Image.Image, grey: Image.Image, clear: int, frame: Frame) -> Image.Image:
    """Return ``grey`` on the background wherever ``raw`` has the one value that is transparent."""
    opaque = ImageMath.lambda_eval(
        lambda given: given["convert"]((given["raw"] != clear) * 255, "L"), raw=raw
    )
    ground = Image.new("RGB", grey.size, frame.background)
    ground.paste(grey, mask=opaque)
    return ground


def _fitted(image: Image.Image, frame: Frame) -> Image.Image:
    size = (frame.width, frame.height)
    if image.size == size:
        return image
    method = Image.Resampling[frame.resample.upper()]
    if frame.crop == "none":
        return image.resize(size, method)
    return ImageOps.fit(image, size, method)


def _reason(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, EOFError) or "truncated" in text.lower():
        return "truncated"
    return text.splitlines()[0][:100] if text else type(error).__name__
