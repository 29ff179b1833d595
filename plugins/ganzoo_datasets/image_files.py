"""Every image of a store looked at before training; small sets decoded, large ones read later."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import torch
from PIL import __version__ as pillow
from PIL import features
from torch import Tensor

from ganzoo.api import (
    DataError,
    DataRoot,
    ImageSource,
    Progress,
    fingerprint,
    keep,
    printable,
)
from ganzoo_datasets.archives import Store, UnreadableError
from ganzoo_datasets.decode import BYTES, check, decode, extremes
from ganzoo_datasets.frame import MIDDLE, Draw, Frame, drawn
from ganzoo_datasets.levels import widened

RESIDENT = 2 << 30
"""Bytes of decoded images up to which all are held in memory."""
KEPT = 256 << 20
"""Bytes of decoded images up to which decoding them each time is quick enough."""
DECODER = " ".join(["1", pillow, *(str(features.version(it)) for it in ("jpg", "webp", "avif"))])
"""What makes pixels of files; another may make other ones."""
GROUP = 1024
"""Images handed to the threads at once."""
NAMED = 10
"""Images named in an error or a note."""


@dataclass(frozen=True)
class Loaded:
    """The images that can be used."""

    images: Tensor | ImageSource
    names: list[str]
    fingerprint: str
    notes: list[str]
    copies: int = 1

    def labels(self, label_of: dict[str, int] | None) -> Tensor | None:
        """Return ``[N]`` int64, or None where there are no classes."""
        if label_of is None:
            return None
        labels = torch.tensor([label_of[name] for name in self.names])
        return labels.repeat_interleave(self.copies) if self.copies > 1 else labels


@dataclass(frozen=True)
class LookedAt:
    """One image, looked at."""

    name: str
    digest: bytes = b""
    pixels: bytes = b""
    changes: frozenset[str] = frozenset()
    fault: str = ""


class EncodedImages:
    """An image source that decodes on demand."""

    def __init__(self, store: Store, names: list[str], frame: Frame) -> None:
        self.store = store
        self.names = names
        self.frame = frame

    def __len__(self) -> int:
        return len(self.names) * self.frame.copies

    def __getitem__(self, index: int, /) -> Tensor:
        """Return ``[C, H, W]``.

        Raises:
            DataError: naming the image, if it cannot be read any more.
        """
        at, copy = divmod(index, self.frame.copies)
        name = self.names[at]
        with _quiet():
            try:
                data = self.store.read(name, BYTES)
                pixels, _ = decode(data, self.frame, draw_of(name, copy, self.frame))
            except UnreadableError as error:
                raise DataError(printable(f"'{self.store.path}': '{name}': {error}")) from error
        frame = self.frame
        shape = (frame.channels, frame.height, frame.width)
        return torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(shape)


def load(store: Store, names: list[str], frame: Frame, *, skip: bool, root: DataRoot) -> Loaded:
    """Look at every image, and keep them decoded: in the user's cache, or in memory.

    Raises:
        DataError: naming the images that cannot be read, unless ``skip``; or if all are such.
    """
    num_bytes = len(names) * frame.copies * frame.num_bytes
    if num_bytes > KEPT:
        kept = _kept(store, names, frame, skip, root)
        if kept is not None:
            return kept
    pixels = bytearray()
    take = pixels.extend if num_bytes <= RESIDENT else None
    found = _gather(store, names, frame, skip, root.progress, take)
    images: Tensor | ImageSource = EncodedImages(store, found.good, frame)
    if take is not None:
        images = torch.frombuffer(pixels, dtype=torch.uint8).view(_shape(frame))
    return Loaded(images, found.good, found.fingerprint(frame), found.notes, frame.copies)


@dataclass(frozen=True)
class Gathered:
    """What was seen of all images."""

    good: list[str]
    digests: list[bytes]
    """Of the good ones."""
    notes: list[str]

    def fingerprint(self, frame: Frame) -> str:
        """Return what tells these images in this shape from all others."""
        return fingerprint(frame.identity, *self.good, *self.digests)


def _gather(
    store: Store,
    names: list[str],
    frame: Frame,
    skip: bool,
    progress: Progress,
    take: Callable[[bytes], object] | None,
) -> Gathered:
    """Look at every image; give ``take`` their pixels, if there is somebody to take them.

    Raises:
        DataError: naming the images that cannot be read, unless ``skip``; or if all are such.
    """
    good: list[str] = []
    digests: list[bytes] = []
    faults: list[str] = []
    changes: Counter[str] = Counter()
    example: dict[str, str] = {}
    for at, seen in enumerate(_look(store, names, frame, take is not None), start=1):
        if seen.fault:
            faults.append(f"{seen.name} ({seen.fault})")
        else:
            good.append(seen.name)
            digests.append(seen.digest)
            if take is not None:
                take(seen.pixels)
            changes.update(seen.changes)
            for change in seen.changes:
                example.setdefault(change, seen.name)
        progress("reading images", at, len(names))
    notes = [
        printable(f"{change}: {count} of {len(names)} images, as '{example[change]}'")
        for change, count in sorted(changes.items())
    ]
    if faults:
        more = f" and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
        what = f"{len(faults)} of {len(names)} images cannot be read"
        which = printable(", ".join(faults[:NAMED]) + more, limit=2000)
        if not skip or not good:
            leave = "" if skip else ', or set dataset.on_bad = "skip" to leave them out'
            raise DataError(f"'{store.path}': {what}: {which}; remove them{leave}")
        notes.append(f"{what} and are left out: {which}")
    return Gathered(good, digests, notes)


def _kept(
    store: Store, names: list[str], frame: Frame, skip: bool, root: DataRoot
) -> Loaded | None:
    """Return images that lie decoded in the user's cache, or None where they cannot.

    They are known by the content of every file, read anew each time, and by all that makes pixels
    of it. Pictures that change between that and being decoded are not kept.

    Raises:
        DataError: as ``load``.
    """
    digests: dict[str, bytes] = {}
    for at, (name, digest) in enumerate(_digests(store, names), start=1):
        digests[name] = digest
        root.progress("comparing images with cached ones", at, len(names))
    key = fingerprint(DECODER, frame.identity, str(frame.most_pixels), *names, *digests.values())

    def make(write: Callable[[bytes], object]) -> dict[str, Any]:
        found = _gather(store, names, frame, skip, root.progress, write)
        if found.digests != [digests[name] for name in found.good]:
            raise DataError(
                f"'{store.path}': images changed while they were read; try again "
                "when nothing writes to them"
            )
        left_out = set(names).difference(found.good)
        return {"left_out": sorted(left_out), "notes": found.notes}

    count, shape = len(names) * frame.copies, _shape(frame)
    title = f"{count:,} images {'×'.join(map(str, shape[1:]))} of '{store.path}'"
    kept = keep(key, count * frame.num_bytes, make, title=title, tell=root.tell)
    if kept is None:
        return None
    left_out = set(kept.about["left_out"])
    good = [name for name in names if name not in left_out]
    found = Gathered(good, [digests[name] for name in good], kept.about["notes"])
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        # "not writable": nobody writes to a dataset.
        images = torch.frombuffer(kept.pixels, dtype=torch.uint8).view(shape)
    return Loaded(images, good, found.fingerprint(frame), found.notes, frame.copies)


def _digests(store: Store, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield each image's name and the digest of its file; of one that cannot be read, nothing."""

    def digest(name: str) -> tuple[str, bytes]:
        try:
            return name, sha256(store.read(name, BYTES)).digest()
        except UnreadableError:
            return name, b""

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(names), GROUP):
            yield from pool.map(digest, names[start : start + GROUP])


def _shape(frame: Frame) -> tuple[int, int, int, int]:
    return -1, frame.channels, frame.height, frame.width


def draw_of(name: str, copy: int, frame: Frame) -> Draw:
    """Return how a copy of an image is cut and turned; the middle where nothing is drawn."""
    return drawn(name, copy) if frame.crop == "random" or frame.rotate else MIDDLE


def measured(
    store: Store, names: list[str], frame: Frame, progress: Progress
) -> tuple[float, float]:
    """Return the lowest and highest raw value of all images that can be read.

    Raises:
        DataError: if there is none.
    """

    def look(name: str) -> tuple[float, float] | None:
        try:
            return extremes(store.read(name, BYTES), frame)
        except UnreadableError:
            return None

    low, high = float("inf"), float("-inf")
    with _quiet(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(names), GROUP):
            for found in pool.map(look, names[start : start + GROUP]):
                if found is not None:
                    low, high = min(low, found[0]), max(high, found[1])
            progress("measuring their range", min(start + GROUP, len(names)), len(names))
    if low > high:
        raise DataError(printable(f"'{store.path}': no image can be read, to measure its range"))
    return widened(low, high)


def _look(store: Store, names: list[str], frame: Frame, resident: bool) -> Iterator[LookedAt]:
    """Look at all images in order, in threads; decode them if they are to be ``resident``."""

    def look(name: str) -> LookedAt:
        try:
            data = store.read(name, BYTES)
            if resident:
                pixels, changes = decode(data, frame, draw_of(name, 0, frame))
                pixels += b"".join(
                    decode(data, frame, draw_of(name, copy, frame))[0]
                    for copy in range(1, frame.copies)
                )
            else:
                pixels, changes = b"", check(data, frame)
        except UnreadableError as error:
            return LookedAt(name, fault=str(error))
        return LookedAt(name, sha256(data).digest(), pixels, changes)

    with _quiet(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(names), GROUP):
            yield from pool.map(look, names[start : start + GROUP])


def _quiet() -> warnings.catch_warnings[None]:
    """Return a context in which Pillow does not print what the notes say."""
    return warnings.catch_warnings(action="ignore", category=Warning)
