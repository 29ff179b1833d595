"""Pictures in NumPy's files: one or a whole stack in a .npy or .npz, each read as one picture."""

from __future__ import annotations

import re
import threading
import zipfile
import zlib
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ganzoo.api import DataError, printable
from ganzoo_datasets.archives import ARRAYS, FolderStore, Listing, Store, UnreadableError
from ganzoo_datasets.frame import Axes

MAGIC = b"\x93NUMPY"
LIMIT = 4 << 30
"""Bytes at most of an array that has to be read whole."""
FEW = 16
"""Channels at most that a picture without a stated shape is held to have."""
KEPT = 4
"""Arrays kept open."""
BROKEN = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    MemoryError,
    SyntaxError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
Array = np.ndarray[Any, Any]
PICTURE = re.compile(r"(.*?\.np[yz])(?:#(.*))?#([0-9]{7})", re.IGNORECASE | re.DOTALL)
"""A picture's name: the file, the array in it where there are several, the number."""


def axes_of(shape: tuple[int, ...], asked: Axes, channels: int = 0) -> str:
    """Return the axes of an array as letters, as 'NCHW'.

    Args:
        channels: of the pictures that are wanted; 0 where nobody knows.

    Raises:
        UnreadableError: if they cannot be told, or are not those that were asked for.
    """
    if asked != "auto":
        if len(asked) != len(shape):
            raise UnreadableError(f"an array of shape {_sides(shape)} has no axes {asked}")
        return asked
    if len(shape) == 2:
        return "HW"
    if len(shape) in {3, 4}:
        stack = "N" if len(shape) == 4 else ""
        last, first = shape[-1], shape[-3]
        few = max(4, channels or FEW)
        if 1 < channels == last or last <= 4:
            return f"{stack}HWC"
        if channels != 1 and (first == channels or first <= (4 if channels else few)):
            return f"{stack}CHW"
        if stack and first == 1:
            return "NCHW"
        if last <= few:
            return f"{stack}HWC"
        if not stack:
            return "NHW"
    raise UnreadableError(
        f"an array of shape {_sides(shape)}: the axes are ambiguous; set dataset.axes, "
        "e.g. 'NHWC', and dataset.channels"
    )


def encoded(array: Any, axes: str, number: int, limit: int) -> bytes:
    """Return one picture of a stack, or the only one, as .npy in the order HWC.

    Raises:
        UnreadableError: if it has more than ``limit`` bytes.
    """
    if axes[0] == "N":
        array, axes = array[number], axes[1:]
    if axes == "CHW":
        array = array.transpose(1, 2, 0)
    if array.nbytes > limit:
        raise UnreadableError(f"{array.nbytes:,} bytes, more than {limit:,}")
    return stored(array)


def stored(array: Any) -> bytes:
    """Return an array as .npy holds it."""
    buffer = BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


class ArrayStore:
    """A store whose .npy and .npz files are taken apart: 'x.npy#000012' is picture 12 of x.npy."""

    def __init__(self, store: Store, axes: Axes, channels: int) -> None:
        self.store = store
        self.path = store.path
        self.axes = axes
        self.channels = channels
        self._open: dict[tuple[str, str], Array] = {}
        self._lock = threading.Lock()

    def scan(self) -> Listing:
        """List every picture of every array beside the other images.

        Raises:
            DataError: if the store cannot be read.
        """
        listing = self.store.scan()
        if not any(_is_array(name) for name in listing.names):
            return listing
        names, kinds = [], []
        for name in listing.names:
            if not _is_array(name):
                names.append(name)
                continue
            try:
                for member in self._members(name):
                    found, kind = self._pictures(name, member)
                    names += found
                    kinds.append(kind)
            except UnreadableError as error:
                raise DataError(printable(f"'{self.path}': '{name}': {error}")) from error
        counted = dict.fromkeys(kinds, 0)
        for kind in kinds:
            counted[kind] += 1
        listing.names = sorted(names)
        listing.notes += [
            f"{kind}: {count} {'array' if count == 1 else 'arrays'}"
            for kind, count in counted.items()
        ]
        return listing

    def read(self, name: str, limit: int) -> bytes:
        """Return an image's bytes; of an array one picture as .npy, in the order HWC."""
        if PICTURE.fullmatch(name) is None:
            return self.store.read(name, limit)
        array, axes, number = self._found(name)
        return encoded(array, axes, number, limit)

    def peek(self, name: str, length: int) -> tuple[bytes, int]:
        """Return the beginning of an image, and how many bytes it has."""
        if PICTURE.fullmatch(name) is None:
            return self.store.peek(name, length)
        data = self.read(name, LIMIT)
        return data[:length], len(data)

    def item(self, name: str) -> tuple[Array, str]:
        """Return one picture of an array as it is stored, and its axes."""
        array, axes, number = self._found(name)
        return (array[number], axes[1:]) if axes[0] == "N" else (array, axes)

    def axes_in(self, name: str) -> str:
        """Return the axes of the array that a picture is of."""
        return self._found(name)[1]

    def _found(self, name: str) -> tuple[Array, str, int]:
        found = PICTURE.fullmatch(name)
        assert found is not None
        file, member, number = found.groups()
        array = self._array(file, member or "")
        return array, axes_of(array.shape, self.axes, self.channels), int(number)

    def _pictures(self, name: str, member: str) -> tuple[list[str], str]:
        """Return the names of an array's pictures, and what kind of array it is."""
        shape = self._array(name, member).shape
        whole = f"{name}#{member}" if member else name
        if member and len(shape) < 2:
            return [], f"left out, not pictures: arrays of shape {_sides(shape)} in .npz"
        axes = axes_of(shape, self.axes, self.channels)
        count = shape[0] if axes[0] == "N" else 1
        channels = shape[axes.index("C")] if "C" in axes else 1
        names = [f"{whole}#{number:07d}" for number in range(count)]
        what = "picture" if count == 1 else "pictures"
        return names, f"read as axes {axes}, {count} {what} of {channels} channels"

    def _members(self, name: str) -> list[str]:
        """Return the arrays in a file: those of a .npz by name, else one without."""
        if not name.lower().endswith(".npz"):
            return [""]
        try:
            with self._loaded(name) as archive:
                return sorted(archive.files)
        except BROKEN as error:
            raise UnreadableError(str(error)[:100] or type(error).__name__) from error

    def _array(self, name: str, member: str) -> Array:
        with self._lock:
            if (name, member) in self._open:
                return self._open[name, member]
            try:
                loaded = self._loaded(name)
                if member:
                    with loaded as archive:
                        loaded = archive[member]
            except BROKEN as error:
                raise UnreadableError(str(error)[:100] or type(error).__name__) from error
            if not isinstance(loaded, np.ndarray) or loaded.dtype.kind not in "biuf":
                kind = getattr(loaded, "dtype", type(loaded).__name__)
                raise UnreadableError(f"{kind}, not numbers")
            if not loaded.size:
                raise UnreadableError(f"an array of shape {_sides(loaded.shape)} is empty")
            while len(self._open) >= KEPT:
                del self._open[next(iter(self._open))]
            self._open[name, member] = loaded
            return loaded

    def _loaded(self, name: str) -> Any:
        """Return what NumPy reads; never a pickle, and mapped into memory where it is a file."""
        if isinstance(self.store, FolderStore):
            path = self.store.path / name
            mapped = name.lower().endswith(".npy")
            return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
        return np.load(BytesIO(self.store.read(name, LIMIT)), allow_pickle=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


def parsed(data: bytes) -> Array:
    """Return one picture as ``ArrayStore.read`` gives it, ``[H, W, C]``.

    Raises:
        UnreadableError: if it is none.
    """
    try:
        array: Array = np.load(BytesIO(data), allow_pickle=False)
    except BROKEN as error:
        raise UnreadableError(str(error)[:100] or type(error).__name__) from error
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3 or not array.size or array.dtype.kind not in "biuf":
        raise UnreadableError(f"an array of shape {_sides(array.shape)} is no picture")
    return array


class OneFile(FolderStore):
    """A file of arrays that is a dataset by itself."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.parent)
        self.name = path.name

    def scan(self) -> Listing:
        """List the file."""
        return Listing([self.name])


def _is_array(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in ARRAYS


def _sides(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "()"
