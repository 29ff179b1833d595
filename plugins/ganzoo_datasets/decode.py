"""One encoded image to bytes of the recipe's shape, with a record of what was done to it.

Nothing is trusted: eight formats are read, others are not even tried; a header that claims more
pixels than any photograph has is refused before anything is decoded.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageChops, ImageCms, ImageMath, ImageOps, UnidentifiedImageError, features

from ganzoo_datasets import levels
from ganzoo_datasets.archives import UnreadableError
from ganzoo_datasets.arrays import MAGIC, Array, parsed
from ganzoo_datasets.frame import MIDDLE, MODES, Draw, Frame, fitted

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "AVIF", "TIFF", "PPM")
TWELVE_BITS = 4095
"""The highest value of cameras and scanners that put 12 bits into 16."""
BYTES = 256 << 20
"""Bytes at most in one encoded image."""
ASPECT = 4
"""Longer side over shorter from which a crop is worth a note."""
ORIENTATION = 0x0112
BITS_PER_SAMPLE = 258
PROFILED = {"RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"}
"""Kinds of images whose colour profiles are looked at, and what those are to be of."""
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
    ImageCms.PyCMSError,
)
"""What Pillow raises for broken images, of its own and let through from below."""
NO_MEMORY = "out of memory"
"""Stands in the OSError of a decoder of Pillow's that got none: the image may well be whole."""


def decode(data: bytes, frame: Frame, draw: Draw = MIDDLE) -> tuple[bytes, frozenset[str]]:
    """Return ``[C · H · W]`` bytes, plane after plane, and the kinds of changes made.

    16-bit grey is divided by 257, so that 65535 becomes 255, or a stated range is stretched;
    palettes, CMYK and 1-bit images become RGB or grey; transparency is composited on the background
    unless it is a channel of the frame; photographs are turned as EXIF says; of an animation the
    first frame is taken.

    Args:
        draw: where a random crop lies and how far it is turned.

    Raises:
        UnreadableError: if it is not an image, is broken or too large.
    """
    try:
        if data.startswith(MAGIC):
            return _array(data, frame, draw)
        with _opened(data, frame) as image:
            image.load()
            changes = _changes(image, data, frame)
            upright = ImageOps.exif_transpose(image)
            if frame.profiles == "srgb" and profile_of(image) == "another":
                upright = _in_srgb(upright)
            flat, more = _flat(upright, data, frame)
            planes = _planes(flat, frame, draw)
    except BROKEN as error:
        if NO_MEMORY in str(error):
            raise
        raise UnreadableError(reason(error)) from error
    return planes, changes | more


def check(data: bytes, frame: Frame) -> frozenset[str]:
    """Return the kinds of changes that ``decode`` will make, as far as the header tells.

    What is after the header is decoded only where the end of the data is not in its place, of
    images with 16 bits, which may be darker than they look, and of those that may lose colours.

    Raises:
        UnreadableError: if it is not an image, is broken or too large.
    """
    try:
        if data.startswith(MAGIC):
            return _array(data, frame, MIDDLE)[1]
        with _opened(data, frame) as image:
            if has_16_bits(image, data) or _may_lose_colour(image, frame) or image.mode == "F":
                image.load()
            changes = _changes(image, data, frame)
            if not is_whole(data, image.format):
                image.load()
    except BROKEN as error:
        if NO_MEMORY in str(error):
            raise
        raise UnreadableError(reason(error)) from error
    return changes


def extremes(data: bytes, frame: Frame) -> tuple[float, float]:
    """Return the lowest and the highest raw value of an image, opacity left out.

    Raises:
        UnreadableError: if it is not an image, is broken or too large.
    """
    try:
        if data.startswith(MAGIC):
            return _finite(parsed(data))
        with _opened(data, frame) as image:
            image.load()
            if image.mode[0] in "IF":
                return _finite(np.asarray(image))
            scale = 257.0 if has_16_bits(image, data) else 1.0
            bands = _coloured(image).split()
            ends = [band.getextrema() for band in bands[: 1 if len(bands) < 3 else 3]]
    except BROKEN as error:
        raise UnreadableError(reason(error)) from error
    low, high = min(int(end[0]) for end in ends), max(int(end[1]) for end in ends)  # type: ignore[arg-type]
    return low * scale, high * scale


def _finite(values: Array) -> tuple[float, float]:
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not known.size:
        raise UnreadableError("it has no numbers")
    return float(known.min()), float(known.max())


def _array(data: bytes, frame: Frame, draw: Draw) -> tuple[bytes, frozenset[str]]:
    """Return an array's bytes as ``decode`` does."""
    array = parsed(data)
    height, width, channels = array.shape
    if height * width > frame.most_pixels:
        raise UnreadableError(_too_many(width, height, frame))
    if channels != frame.channels and max(channels, frame.channels) > 4:
        raise UnreadableError(
            f"{channels} channels, where dataset.channels is {frame.channels}; set that to "
            f"{channels}"
        )
    values, changes = levels.to_bytes(array, frame.value_range)
    changes |= _of_shape(width, height, frame)
    if channels > 4:
        bands = [Image.fromarray(np.ascontiguousarray(values[..., at])) for at in range(channels)]
        return b"".join(fitted(band, frame, draw).tobytes() for band in bands), frozenset(changes)
    squeezed = np.ascontiguousarray(values[..., 0] if channels == 1 else values)
    image = Image.fromarray(squeezed, MODES[channels])
    if _may_lose_colour(image, frame) and has_colour(image):
        changes.add("colour, converted to grey")
    changes |= _of_alpha(image, frame)
    return _planes(_composited(image, frame), frame, draw), frozenset(changes)


def _planes(image: Image.Image, frame: Frame, draw: Draw) -> bytes:
    if frame.channels not in MODES:
        raise UnreadableError(
            f"a picture in a file has at most 4 channels, and dataset.channels is {frame.channels}"
        )
    bands = fitted(image.convert(MODES[frame.channels]), frame, draw).split()
    return b"".join(band.tobytes() for band in bands)


def _opened(data: bytes, frame: Frame) -> Image.Image:
    if not data:
        raise UnreadableError("empty file")
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        if data[4:12] in {b"ftypavif", b"ftypavis"} and not features.check("avif"):
            raise UnreadableError(
                "AVIF, which this Pillow does not support; pip install --upgrade pillow"
            ) from error
        raise UnreadableError(f"not {', '.join(FORMATS[:-1])} or {FORMATS[-1]}") from error
    if image.width * image.height > frame.most_pixels:
        raise UnreadableError(_too_many(image.width, image.height, frame))
    return image


def _too_many(width: int, height: int, frame: Frame) -> str:
    return (
        f"{width}×{height} is more than {frame.most_pixels:,} pixels, which dataset.max_pixels "
        "allows"
    )


def _changes(image: Image.Image, data: bytes, frame: Frame) -> frozenset[str]:
    """Return what will be done to the image, which is decoded where its pixels have to be seen."""
    mode, width, height = image.mode, image.width, image.height
    # Of a PNG without EXIF data before its pixels, getexif() decodes all to look behind them.
    has_exif = image.format != "PNG" or "exif" in image.info
    orientation = image.getexif().get(ORIENTATION, 1) if has_exif else 1
    if orientation in range(5, 9):
        width, height = height, width
    applies = {
        "animated, using the first frame": getattr(image, "is_animated", False),
        "rotated as EXIF says": orientation in range(2, 9),
        "16-bit, divided by 257": mode.startswith("I") and frame.value_range is None,
        "16 bits per channel, using the upper 8": has_16_bits(image, data)
        and not mode.startswith("I"),
        '16 bits of which 12 or fewer are used, nearly black; set dataset.range = "data"': (
            frame.value_range is None and has_16_bits(image, data) and _is_nearly_black(image)
        ),
        "colour, converted to grey": _may_lose_colour(image, frame) and has_colour(image),
        "1-bit, converted to black and white": mode == "1",
        "CMYK, converted to RGB": mode == "CMYK",
        "palette, converted to RGB": mode in {"P", "PA"},
        "with a colour profile, converted to sRGB": frame.profiles == "srgb"
        and profile_of(image) == "another",
        "with a broken colour profile, ignored": frame.profiles == "srgb"
        and profile_of(image) == "broken",
        'with a colour profile, ignored; dataset.profiles = "srgb" applies it': (
            frame.profiles == "ignore" and profile_of(image) == "another"
        ),
    }
    changes = {change for change, is_made in applies.items() if is_made}
    return frozenset(changes | _of_alpha(image, frame) | _of_shape(width, height, frame))


def _of_alpha(image: Image.Image, frame: Frame) -> set[str]:
    if image.has_transparency_data:
        return set() if frame.keeps_alpha else {f"with alpha, composited on {frame.background}"}
    return {"without alpha, treated as opaque"} if frame.keeps_alpha else set()


def _of_shape(width: int, height: int, frame: Frame) -> set[str]:
    """Return what an upright image's size brings about."""
    is_long = max(width, height) > ASPECT * min(width, height)
    # width / height of one is that of the other, up to a pixel
    off = abs(width * frame.height - height * frame.width)
    is_padded = frame.crop == "pad" and off > max(width, height, frame.width, frame.height)
    applies = {
        f"smaller than {frame.width}×{frame.height}, enlarged": width < frame.width
        or height < frame.height,
        f"longer than {ASPECT}:1, only the middle is used": frame.crop == "center" and is_long,
        "of other proportions, padded with the background": is_padded and not frame.keeps_alpha,
        "of other proportions, padded with transparent pixels": is_padded and frame.keeps_alpha,
    }
    return {change for change, is_made in applies.items() if is_made}


def has_16_bits(image: Image.Image, data: bytes) -> bool:
    if image.format == "TIFF":
        tags: Any = getattr(image, "tag_v2", {})
        return image.mode.startswith("I") or 16 in tags.get(BITS_PER_SAMPLE, ())
    return image.mode.startswith("I") or (image.format == "PNG" and data[24:25] == b"\x10")


def profile_of(image: Image.Image) -> Literal["", "sRGB", "another", "broken"]:
    """Return what an image says of its colours; nothing where it says nothing."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in PROFILED:
        return ""
    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        if opened.profile.xcolor_space.strip() != PROFILED[image.mode]:
            return "broken"
        return "sRGB" if "sRGB" in ImageCms.getProfileDescription(opened) else "another"
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return "broken"


def _in_srgb(image: Image.Image) -> Image.Image:
    profile = ImageCms.ImageCmsProfile(BytesIO(image.info["icc_profile"]))
    mode = "RGB" if image.mode == "CMYK" else image.mode
    converted = ImageCms.profileToProfile(
        image, profile, ImageCms.createProfile("sRGB"), outputMode=mode
    )
    assert converted is not None
    return converted


def _may_lose_colour(image: Image.Image, frame: Frame) -> bool:
    return frame.channels == 1 and image.mode in COLOURED


def has_colour(image: Image.Image) -> bool:
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


def is_whole(data: bytes, format_: str | None) -> bool:
    """Tell whether the end is where the format has it; False where one has to look closer."""
    if format_ == "JPEG":
        return data.rstrip(b"\0")[-2:] == b"\xff\xd9"
    if format_ == "PNG":
        return b"IEND\xaeB`\x82" in data[-64:]
    if format_ == "WEBP":
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    return False


def _flat(image: Image.Image, data: bytes, frame: Frame) -> tuple[Image.Image, set[str]]:
    """Return the image as L or RGB, with alpha where the frame keeps it, and what was done."""
    given = frame.value_range
    if image.mode == "F" or (image.mode.startswith("I") and given is not None):
        values = np.asarray(image)
        pixels, changes = levels.to_bytes(values, given or (0.0, 1.0))
        clear = image.info.get("transparency")
        if clear is None:
            return Image.fromarray(pixels), changes
        return _on_background(image.convert("I"), Image.fromarray(pixels), clear, frame), changes
    if image.mode.startswith("I"):
        grey = image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
        clear = image.info.get("transparency")
        if clear is None:
            return grey, set()
        return _on_background(image.convert("I"), grey, clear, frame), set()
    if given is not None and given != (0.0, 255.0):
        scale = 257.0 if has_16_bits(image, data) else 1.0
        image = levels.stretched(_coloured(image), given, scale)
    return _composited(image, frame), set()


def _coloured(image: Image.Image) -> Image.Image:
    """Return any image of bytes as L or RGB, with alpha where it has some."""
    if image.has_transparency_data:
        return image.convert("LA" if image.mode in {"L", "LA"} else "RGBA")
    return image.convert("L" if image.mode in {"1", "L"} else "RGB")


def _composited(image: Image.Image, frame: Frame) -> Image.Image:
    if image.has_transparency_data and not frame.keeps_alpha:
        ground = Image.new("RGBA", image.size, (*frame.background, 255))
        return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    return _coloured(image)


def _on_background(raw: Image.Image, grey: Image.Image, clear: int, frame: Frame) -> Image.Image:
    """Return ``grey`` on the background wherever ``raw`` has the one value that is transparent."""
    opaque = ImageMath.lambda_eval(
        lambda given: given["convert"]((given["raw"] != clear) * 255, "L"), raw=raw
    )
    if frame.keeps_alpha:
        return Image.merge("LA", (grey, opaque))
    ground = Image.new("RGB", grey.size, frame.background)
    ground.paste(grey, mask=opaque)
    return ground


def reason(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, EOFError) or "truncated" in text.lower():
        return "truncated"
    return text.splitlines()[0][:100] if text else type(error).__name__
