"""Every image of a store looked at before training; small sets decoded, large ones read later."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256

import torch
from torch import Tensor

from ganzoo.api import DataError, ImageSource, Progress, fingerprint, printable
from ganzoo_datasets.archives import Store, UnreadableError
from ganzoo_datasets.decode import BYTES, check, decode, extremes
from ganzoo_datasets.frame import MIDDLE, Draw, Frame, drawn
from ganzoo_datasets.levels import widened

RESIDENT = 2 << 30
"""Bytes of decoded images up to which all are kept in memory."""
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


def load(store: Store, names: list[str], frame: Frame, *, skip: bool, progress: Progress) -> Loaded:
    """Look at every image, and keep them decoded where they fit.

    Raises:
        DataError: naming the images that cannot be read, unless ``skip``; or if all are such.
    """
    resident = len(names) * frame.copies * frame.num_bytes <= RESIDENT
    pixels = bytearray()
    good: list[str] = []
    digests: list[bytes] = []
    faults: list[str] = []
    changes: Counter[str] = Counter()
    example: dict[str, str] = {}
    for at, seen in enumerate(_look(store, names, frame, resident), start=1):
        if seen.fault:
            faults.append(f"{seen.name} ({seen.fault})")
        else:
            good.append(seen.name)
            digests.append(seen.digest)
            pixels += seen.pixels
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
    images: Tensor | ImageSource = EncodedImages(store, good, frame)
    if resident:
        shape = (-1, frame.channels, frame.height, frame.width)
        images = torch.frombuffer(pixels, dtype=torch.uint8).view(shape)
    content = fingerprint(frame.identity, *good, *digests)
    return Loaded(images, good, content, notes, frame.copies)


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
