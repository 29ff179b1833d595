"""A quick look at images: headers of all, pixels of some; what they are and what suits them."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from ganzoo.api import DataError, Look, Progress
from ganzoo_datasets.archives import HEAD, Store, UnreadableError
from ganzoo_datasets.arrays import MAGIC, PICTURE, ArrayStore, parsed, stored
from ganzoo_datasets.decode import (
    BROKEN,
    BYTES,
    FORMATS,
    ORIENTATION,
    decode,
    extremes,
    has_16_bits,
    has_colour,
    is_whole,
    profile_of,
    reason,
)
from ganzoo_datasets.frame import Frame
from ganzoo_datasets.image_dataset import classify

SAMPLED = 64
"""Images at most whose pixels are looked at."""
SAMPLED_PIXELS = 40_000_000
WHOLE = frozenset({".webp", ".avif", ".tif", ".tiff"})
"""Files whose header is not at their beginning, or is read with all else."""
HASHED = 256 << 20
"""Bytes of an array at most in which duplicates are looked for."""
THUMBNAIL = 96
NAMED = 10


@dataclass
class Seen:
    """What has been seen so far."""

    formats: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    channels: Counter[int] = field(default_factory=Counter)
    bits: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)
    broken: dict[str, str] = field(default_factory=dict)
    axes: set[str] = field(default_factory=set)
    same: dict[bytes, list[str]] = field(default_factory=dict)
    """Names by the digest of their beginning and their length."""
    num_bytes: int = 0


def look(store: Store, frame: Frame, pictures: int, progress: Progress) -> Look:
    """Return what lies in a store.

    Args:
        frame: how pixels are read.
        pictures: of how many thumbnails are made.

    Raises:
        DataError: if there is no image.
    """
    began = time.perf_counter()
    arrays = ArrayStore(store, frame.axes, 0)
    listing = arrays.scan()
    if not listing.names:
        raise DataError(f"no images in '{store.path}'")
    seen = Seen()
    with warnings.catch_warnings(action="ignore", category=Warning):
        for at, name in enumerate(listing.names, start=1):
            try:
                _header(arrays, name, seen)
            except UnreadableError as error:
                seen.broken[name] = str(error)
            if at % 256 == 0 or at == len(listing.names):
                progress("looking at images", at, len(listing.names))
        sound = [name for name in listing.names if name not in seen.broken]
        sampled = _sample(arrays, sound, seen, frame)
        sound = [name for name in sound if name not in seen.broken]
        thumbnails = tuple(_thumbnails(arrays, sound, pictures, frame))
    classes, label_of, notes = classify(sound)
    counts = Counter(label_of.values()) if label_of else Counter()
    doubles = [names for names in seen.same.values() if len(names) > 1]
    settings = dict(_settings(seen, sampled, len(sound)))
    return Look(
        source=str(store.path),
        images=len(sound),
        num_bytes=seen.num_bytes,
        formats=dict(seen.formats.most_common()),
        sizes=dict(seen.sizes.most_common()),
        kinds=dict(sampled.kinds.most_common()),
        bits=dict(seen.bits.most_common()),
        values=sampled.values,
        classes={name: counts[at] for at, name in enumerate(classes)},
        duplicates=tuple(tuple(names) for names in doubles),
        broken=seen.broken,
        sampled=sampled.count,
        settings=settings,
        notes=(
            *notes,
            *listing.notes,
            *(f"{count} {what}" for what, count in seen.remarks.items()),
            *(f"skipped: {count} {what}" for what, count in listing.skipped.items()),
            *(f"not readable images: {count} {what}" for what, count in listing.others.items()),
        ),
        seconds=time.perf_counter() - began,
        pictures=thumbnails,
    )


def _header(store: ArrayStore, name: str, seen: Seen) -> None:
    """Take down what the beginning of a file tells."""
    found = PICTURE.fullmatch(name)
    if found is not None:
        _array_header(store, name, seen)
        return
    reads_all = PurePosixPath(name).suffix.lower() in WHOLE
    data, size = store.peek(name, BYTES if reads_all else HEAD)
    try:
        image = _opened(data)
    except BROKEN as error:
        if len(data) == size:
            raise UnreadableError(reason(error) if data else "empty file") from error
        data = store.read(name, BYTES)
        try:
            image = _opened(data)
        except BROKEN as again:
            raise UnreadableError(reason(again)) from again
    if len(data) == size and image.format in {"JPEG", "PNG"} and not is_whole(data, image.format):
        # Something may stand behind the picture, as telephones leave a film there.
        try:
            image.load()
        except BROKEN as error:
            raise UnreadableError(reason(error)) from error
    width, height = image.size
    orientation = image.getexif().get(ORIENTATION, 1) if "exif" in image.info else 1
    if orientation in range(5, 9):
        width, height = height, width
    seen.num_bytes += size
    seen.formats[image.format or "?"] += 1
    seen.sizes[height, width] += 1
    seen.channels[3] += 1
    seen.bits[_bits(image, data)] += 1
    seen.remarks += Counter(
        what
        for what, is_so in {
            "rotated by EXIF": orientation in range(2, 9),
            "animated, only the first frame counts": getattr(image, "is_animated", False),
            "with a colour profile other than sRGB": profile_of(image) == "another",
        }.items()
        if is_so
    )
    digest = blake2b(data[:HEAD], digest_size=16, key=size.to_bytes(8)).digest()
    seen.same.setdefault(digest, []).append(name)


def _array_header(store: ArrayStore, name: str, seen: Seen) -> None:
    array, axes = store.item(name)
    height, width = (array.shape[axes.index(axis)] for axis in "HW")
    seen.formats["NumPy"] += 1
    seen.sizes[height, width] += 1
    seen.channels[array.shape[axes.index("C")] if "C" in axes else 1] += 1
    seen.bits[str(array.dtype)] += 1
    seen.axes.add(store.axes_in(name))
    seen.num_bytes += array.nbytes
    if seen.num_bytes <= HASHED:
        digest = blake2b(array.tobytes(), digest_size=16).digest()
        seen.same.setdefault(digest, []).append(name)


def _opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data), formats=FORMATS)


def _bits(image: Image.Image, data: bytes) -> str:
    if image.mode == "F":
        return "float32"
    if has_16_bits(image, data):
        return "32" if image.mode == "I" and image.format != "PNG" else "16"
    return "1" if image.mode == "1" else "8"


@dataclass
class Sample:
    """What the pixels of some images are."""

    count: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    values: tuple[float, float] = (0.0, 0.0)
    clear: int = 0
    """Images with transparent pixels."""
    grey: int = 0


def _sample(store: ArrayStore, names: list[str], seen: Seen, frame: Frame) -> Sample:
    """Decode images that lie evenly among all, as many as the pixels allow."""
    mean = sum(h * w * count for (h, w), count in seen.sizes.items()) / max(1, len(names))
    most = max(4, min(SAMPLED, len(names), int(SAMPLED_PIXELS / max(1.0, mean))))
    sample = Sample()
    ends = [float("inf"), float("-inf")]
    for name in _spread(names, most):
        try:
            data = store.read(name, BYTES)
            low, high = extremes(data, frame)
            _kind(data, sample)
        except (UnreadableError, *BROKEN) as error:
            seen.broken[name] = str(error) if isinstance(error, UnreadableError) else reason(error)
            continue
        sample.count += 1
        ends = [min(ends[0], low), max(ends[1], high)]
    if sample.count:
        sample.values = (ends[0], ends[1])
    return sample


def _kind(data: bytes, sample: Sample) -> None:
    if data.startswith(MAGIC):
        channels = parsed(data).shape[2]
        sample.kinds["grey" if channels == 1 else f"{channels} channels"] += 1
        sample.grey += channels == 1
        return
    with _opened(data) as image:
        image.load()
        plain = image.convert("RGB") if image.mode[0] in "IF" else image
        is_grey = image.mode[0] in "IF" or image.mode in {"1", "L", "LA"} or not has_colour(plain)
        is_clear = False
        if image.has_transparency_data:
            lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
            is_clear = int(lowest) < 255  # type: ignore[arg-type]
    sample.grey += is_grey
    sample.clear += is_clear
    what = "grey" if is_grey else "colour"
    sample.kinds[f"{what} with transparent pixels" if is_clear else what] += 1


def _settings(seen: Seen, sample: Sample, count: int) -> Iterator[tuple[str, tuple[Any, str]]]:
    """Yield fields of the dataset that suit the images, each with a value and its reason."""
    if seen.axes:
        axes = sorted(seen.axes)
        if len(axes) == 1:
            yield "axes", (axes[0], "from the arrays' lengths")
    channels = seen.channels.most_common(1)[0][0]
    files = f"{sample.count} looked at"
    if channels == 3 and sample.grey == sample.count and not seen.channels.keys() - {1, 3}:
        channels = 1
    why = {1: f"all of {files} are grey", 3: f"colour, or some of it, in {files}"}
    if sample.clear:
        why[channels] = (
            f"{sample.clear} of {files} have transparent pixels, which show the background; "
            f"channels = {channels + 1} keeps them"
        )
    yield "channels", (channels, why.get(channels, "all that the arrays have"))
    if sample.clear:
        yield "background", ([255, 255, 255], "white behind transparent pixels")
    deep = {bits for bits in seen.bits if bits not in {"1", "8", "uint8", "bool"}}
    low, high = sample.values
    if deep and len(seen.bits) == 1:
        (bits,) = deep
        usual = {"16": 65535.0, "uint16": 65535.0}.get(bits, 1.0 if "float" in bits else None)
        if usual is None or low < 0 or high > usual or (usual == 65535 and high <= usual / 4):
            depth = f"{bits} bits" if bits.isdigit() else bits
            yield "range", ("data", f"{depth}, of which {low:g} to {high:g} were seen: measured")
    if seen.remarks["with a colour profile other than sRGB"]:
        number = seen.remarks["with a colour profile other than sRGB"]
        yield "profiles", ("srgb", f"{number} of {count} carry another colour profile")
    yield "on_bad", ("skip", "what cannot be read is reported and left out")


def _spread(names: list[str], most: int) -> list[str]:
    count = min(most, len(names))
    return [names[round(at * (len(names) - 1) / max(1, count - 1))] for at in range(count)]


def _thumbnails(
    store: ArrayStore, names: list[str], count: int, frame: Frame
) -> Iterator[Image.Image]:
    """Yield images of one size, whole on a grey ground, opacity and all."""
    if not count:
        return
    how = replace(
        frame, height=THUMBNAIL, width=THUMBNAIL, crop="pad", channels=3, background=(64, 64, 64)
    )
    for name in _spread(names, count):
        try:
            data = store.read(name, BYTES)
            low_high = extremes(data, how)
            if data.startswith(MAGIC):
                data = _shown(data)
            pixels, _ = decode(data, replace(how, value_range=_visible(data, low_high)))
        except (UnreadableError, *BROKEN):
            continue
        planes = np.frombuffer(pixels, np.uint8).reshape(3, THUMBNAIL, THUMBNAIL)
        yield Image.fromarray(np.ascontiguousarray(planes.transpose(1, 2, 0)))


def _shown(data: bytes) -> bytes:
    """Return an array of at most four channels: of more the mean."""
    array = parsed(data)
    if array.shape[2] > 4:
        return stored(array.mean(2, keepdims=True))
    return data


def _visible(data: bytes, ends: tuple[float, float]) -> tuple[float, float] | None:
    """Return a range that shows a deep image; None for one of bytes."""
    low, high = ends
    if not data.startswith(MAGIC):
        with _opened(data) as image:
            if not has_16_bits(image, data) and image.mode != "F":
                return None
    elif parsed(data).dtype == np.uint8:
        return None
    return (low, high) if high > low else (low, low + 1)
