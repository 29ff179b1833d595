"""Stacks of pictures in an HDF5 file. Needs the extra ``ganzoo-torch[hdf5]``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from ganzoo.api import DataError, DataRoot, ImageData, Split, printable
from ganzoo_datasets.archives import Listing, UnreadableError
from ganzoo_datasets.folder import located
from ganzoo_datasets.image_dataset import PictureDataset
from ganzoo_datasets.tables import NONE, names_of, row_of, sorting

if TYPE_CHECKING:
    from collections.abc import Sequence

MISSING = "hdf5: h5py, which reads these files, is not installed: pip install 'ganzoo-torch[hdf5]'"
BROKEN = (OSError, KeyError, ValueError, TypeError, RuntimeError)
"""What h5py raises for files that are none or broken."""
SHOWN = 10
MOST = 256 << 20
"""Bytes at most in one picture."""
Inside = Annotated[str, Field(min_length=1, max_length=1024)]


class Hdf5(PictureDataset):
    """Your own images in an HDF5 file: a stack of images of the same size, with optional labels.

    Needs h5py: pip install 'ganzoo-torch[hdf5]'.
    """

    use: ClassVar[str] = "hdf5"

    path: Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]+$")]
    """File, looked for in the data folder, then in the working folder; or a path that starts with \
'~' or '/'."""
    images: Inside = "images"
    """Name of the stack in the file, e.g. 'train/images'."""
    labels: Inside = NONE
    """Name of the labels in the file, one number or text per image; 'none' for no classes."""

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:
        """Return ``[N, C, H, W]`` bytes, kept as those of a folder are.

        Raises:
            DataError: if there is no such file or stack, or h5py is not installed.
        """
        try:
            import h5py  # noqa: F401
        except ImportError as error:
            raise DataError(MISSING) from error
        store = Hdf5Store(located(self.path, root.path), self)
        try:
            sort = sorting(store.labels)
        except UnreadableError as error:
            raise DataError(f"'{store.path}': '{self.labels}': {error}") from error
        return self.collect(store, split, root, sort=sort)


class Hdf5Store:
    """The pictures of one stack, each read as one .npy."""

    def __init__(self, path: Path, spec: Hdf5) -> None:
        from ganzoo_datasets.arrays import axes_of

        self.path = path
        self._inside = spec.images
        self._file: Any = None
        self._stack: Any = None
        self._process = 0
        stack = self._opened()
        if stack.ndim not in {3, 4} or not stack.size or stack.dtype.kind not in "biuf":
            raise self._refused(
                f"'{spec.images}' is {stack.dtype} of shape {stack.shape}, not a stack of pictures"
            )
        is_grey = spec.axes == "auto" and stack.ndim == 3
        try:
            axes = axes_of(stack.shape, "NHW" if is_grey else spec.axes, spec.channels)
        except UnreadableError as error:
            raise self._refused(str(error)) from error
        self._axes = axes
        self._count = stack.shape[0] if axes[0] == "N" else 1
        self.labels = None if spec.labels == NONE else self._labels(spec.labels)

    def scan(self) -> Listing:
        """List the pictures."""
        note = f"'{self._inside}' read as axes {self._axes}"
        return Listing(names_of(self._count, self.labels), notes=[printable(note)])

    def read(self, name: str, limit: int) -> bytes:
        """Return one picture as .npy."""
        from ganzoo_datasets.arrays import encoded

        try:
            stack = self._opened()
            whole = stack if self._axes[0] == "N" else stack[()]
            return encoded(whole, self._axes, row_of(name), limit)
        except DataError as error:
            raise UnreadableError(str(error)) from error
        except BROKEN as error:
            raise UnreadableError(printable(str(error))[:100]) from error

    def peek(self, name: str, length: int) -> tuple[bytes, int]:
        """Return the beginning of a picture, and how many bytes it has."""
        data = self.read(name, MOST)
        return data[:length], len(data)

    def _labels(self, name: str) -> Sequence[Any]:
        found = self._named(name)
        values = found[()]
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.shape != (self._count,) or values.dtype.kind not in "iuObSU":
            raise self._refused(
                f"'{name}' is {found.dtype} of shape {found.shape}; labels are one integer "
                f"or one string for each of {self._count} pictures"
            )
        texts = (
            each.decode(errors="replace") if isinstance(each, bytes) else each
            for each in values.tolist()
        )
        return list(texts)

    def _opened(self) -> Any:
        """Return the stack, opened anew in every process: they must not share a position."""
        if self._stack is None or self._process != os.getpid():
            import h5py

            try:
                self._file = h5py.File(self.path, "r")
            except BROKEN as error:
                raise self._refused(str(error) or type(error).__name__) from error
            self._stack, self._process = self._named(self._inside), os.getpid()
        return self._stack

    def _named(self, name: str) -> Any:
        import h5py

        try:
            found = self._file[name]
        except BROKEN:
            found = None
        if isinstance(found, h5py.Dataset):
            return found
        there: list[str] = []
        self._file.visititems(
            lambda at, each: there.append(at) if isinstance(each, h5py.Dataset) else None
        )
        more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
        listed = ", ".join(f"'{each}'" for each in there[:SHOWN]) or "nothing"
        raise self._refused(f"no array is named '{name}'; there are {listed}{more}")

    def _refused(self, reason: str) -> DataError:
        return DataError(printable(f"hdf5: '{self.path}': {reason}", limit=1000))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_stack": None}
