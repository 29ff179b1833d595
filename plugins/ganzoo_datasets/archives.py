"""Where encoded images lie: a folder with its sub-folders, or a zip or tar archive read in place.

Nothing is ever unpacked, so that no name in an archive can lead out of a folder.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections import Counter, deque
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from ganzoo.api import DataError, printable

SUFFIXES = frozenset({
    ".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".avif", ".tif", ".tiff", ".ppm",
    ".pgm", ".pbm", ".pnm", ".npy", ".npz",
})  # fmt: skip
ARRAYS = frozenset({".npy", ".npz"})
PACKED = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
"""Ends of the names of archives that are opened inside others."""
NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""How a file is opened that may have become a pipe, where there are such; no byte translated."""
TOTAL = 256 << 30
"""Bytes at most that all images of an archive may claim to have."""
HEAD = 64 << 10
"""Bytes in which the header of an image is looked for."""
INNER = 1 << 30
"""Bytes at most of an archive inside an archive: it is held in memory."""
INNERS = 4 << 30
"""Bytes at most of all of them."""
DEPTH = 3
"""Archives within each other at most."""
MOST_OF_DISK = 0.5
"""Share of the free disk that a compressed tar may take while it is read."""
BROKEN_TAR = (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, zlib.error)
BROKEN_ZIP = (
    zipfile.BadZipFile,
    OSError,
    EOFError,
    ValueError,
    IndexError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
)


class UnreadableError(Exception):
    """An image that cannot be used; the message is the reason in a few words."""


@dataclass
class Listing:
    """The images of a store, sorted by name, and what else was found.

    Attributes:
        names: paths below the store with '/' between parts.
        others: how many files of each extension are not images.
        skipped: how many of each kind of thing were passed by.
        archives: names of archives among the others.
        notes: remarks on how it was read.
    """

    names: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    archives: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def sort(self, name: str) -> bool:
        """File ``name`` under images or others; True for an image."""
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in SUFFIXES:
            self.names.append(name)
            return True
        if name.lower().endswith(PACKED):
            self.archives.append(name)
        self.others[suffix or "without extension"] += 1
        return False


class Store(Protocol):
    """Encoded images by name."""

    path: Path

    def scan(self) -> Listing:
        """List what is there.

        Raises:
            DataError: if it cannot be read.
        """
        ...

    def read(self, name: str, limit: int) -> bytes:
        """Return an image's bytes.

        Raises:
            UnreadableError: if it cannot be read or has more than ``limit`` bytes.
        """
        ...

    def peek(self, name: str, length: int) -> tuple[bytes, int]:
        """Return the beginning of an image, and how many bytes it has.

        Raises:
            UnreadableError: if it cannot be read.
        """
        ...


def open_store(path: Path) -> Store:
    """Return the folder or archive at ``path``; archives inside are opened where all else is none.

    Raises:
        DataError: if there is neither.
    """
    return NestedStore(outer_store(path))


def outer_store(path: Path) -> Store:
    """Return the folder or archive at ``path``.

    Raises:
        DataError: if there is neither.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"'{path}': {reason}; name a folder of images or a .zip of them") from error
    if stat.S_ISDIR(mode):
        return FolderStore(path)
    if stat.S_ISREG(mode):
        return TarStore(path) if _is_tar(_beginning(path)) else ZipStore(path)
    raise DataError(f"'{path}': neither a folder nor a file; name a folder of images or a .zip")


class FolderStore:
    """A folder; links are followed, and each real file and folder is visited once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def scan(self) -> Listing:
        """List images, passing by what is hidden and what is neither file nor folder."""
        listing = Listing()
        links: list[tuple[str, tuple[int, int]]] = []
        files: set[tuple[int, int]] = set()
        visited: set[tuple[int, int]] = set()
        folders = deque([""])
        while folders:
            below = folders.popleft()
            for entry in self._entries(below, visited, listing):
                name = f"{below}{entry.name}"
                try:
                    status = os.stat(entry.path)
                except OSError:
                    listing.skipped["broken links"] += 1
                    continue
                if stat.S_ISDIR(status.st_mode):
                    # Real folders first, so that no link takes the place of one.
                    add = folders.append if entry.is_symlink() else folders.appendleft
                    add(f"{name}/")
                elif not stat.S_ISREG(status.st_mode):
                    listing.skipped["pipes, sockets or devices"] += 1
                elif entry.is_symlink():
                    links.append((name, _identity(status)))
                elif listing.sort(name):
                    files.add(_identity(status))
        for name, identity in links:
            if identity in files:
                listing.skipped["links to an image already included"] += 1
            elif listing.sort(name):
                files.add(identity)
        listing.names.sort()
        return listing

    def read(self, name: str, limit: int) -> bytes:
        """Return the file's bytes."""
        path = self.path / name
        try:
            # A pipe that took the file's place must not be waited for.
            with open(os.open(path, os.O_RDONLY | NO_WAIT), "rb") as file:
                data = file.read(limit + 1)
        except OSError as error:
            raise UnreadableError(str(error.strerror)) from error
        if len(data) > limit:
            raise UnreadableError(f"more than {limit:,} bytes")
        return data

    def peek(self, name: str, length: int) -> tuple[bytes, int]:
        """Return the beginning of the file, and its size."""
        try:
            with open(os.open(self.path / name, os.O_RDONLY | NO_WAIT), "rb") as file:
                return file.read(length), os.fstat(file.fileno()).st_size
        except OSError as error:
            raise UnreadableError(str(error.strerror)) from error

    def _entries(
        self, below: str, visited: set[tuple[int, int]], listing: Listing
    ) -> list[os.DirEntry[str]]:
        """Return what is visible in a folder by name, or nothing on a second visit."""
        folder = self.path / below
        try:
            identity = _identity(os.stat(folder))
            if identity in visited:
                listing.skipped["links to a folder already included"] += 1
                return []
            visited.add(identity)
            with os.scandir(folder) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            raise DataError(printable(f"'{folder}': {error.strerror}; make it readable")) from error
        return sorted(visible, key=lambda entry: entry.name)


class ZipStore:
    """A zip archive whose members are read one by one, each within its limits."""

    def __init__(self, path: Path, content: bytes | None = None) -> None:
        self.path = path
        self.content = content
        self._members: dict[str, zipfile.ZipInfo] = {}
        self._archive: zipfile.ZipFile | None = None
        self._process = 0

    def scan(self) -> Listing:
        """List images.

        Raises:
            DataError: if it is no zip archive, or one that was made to do harm.
        """
        listing = Listing()
        total = 0
        for member in self._opened().infolist():
            name = member.filename.replace("\\", "/")
            parts = PurePosixPath(name).parts
            if name.startswith("/") or ".." in parts or ":" in (parts or ("",))[0]:
                raise self._refused(f"a member is named '{name}', which points outside the folder")
            if member.flag_bits & 1:
                raise self._refused("it is encrypted")
            if member.is_dir() or any(part.startswith((".", "__MACOSX")) for part in parts):
                continue
            if stat.S_IFMT(member.external_attr >> 16) not in {0, stat.S_IFREG}:
                listing.skipped["links or special files"] += 1
            else:
                is_image = listing.sort(name)
                if is_image or listing.archives[-1:] == [name]:
                    total += member.file_size
                    self._members[name] = member
        if total > TOTAL:
            raise self._refused(f"its images would unpack to {total} bytes, more than {TOTAL}")
        # A name that is there twice is the last one of that name.
        listing.names = sorted(set(listing.names))
        return listing

    def read(self, name: str, limit: int) -> bytes:
        """Return the member's bytes."""
        member = self._members[name]
        if member.file_size > limit:
            raise UnreadableError(f"{member.file_size:,} bytes, more than {limit:,}")
        if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise UnreadableError(f"packed by method {member.compress_type}, not by deflate")
        try:
            # Stops at the size that the archive claims, then compares the checksum.
            return self._opened().read(member)
        except BROKEN_ZIP as error:
            raise UnreadableError(str(error) or type(error).__name__) from error

    def peek(self, name: str, length: int) -> tuple[bytes, int]:
        """Return the beginning of the member, and its size."""
        member = self._members[name]
        if member.file_size <= length:
            return self.read(name, length), member.file_size
        try:
            with self._opened().open(member) as file:
                return file.read(length), member.file_size
        except BROKEN_ZIP as error:
            raise UnreadableError(str(error) or type(error).__name__) from error

    def _opened(self) -> zipfile.ZipFile:
        """Return the archive, opened anew in every process: they must not share a position."""
        if self._archive is None or self._process != os.getpid():
            try:
                file = self.path if self.content is None else BytesIO(self.content)
                self._archive = zipfile.ZipFile(file)
            except BROKEN_ZIP as error:
                raise self._refused(str(error) or "it cannot be read") from error
            self._process = os.getpid()
        return self._archive

    def _refused(self, reason: str) -> DataError:
        return DataError(printable(f"'{self.path}': {reason}; use a whole zip archive of images"))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_archive": None}


class TarStore:
    """A tar archive; a compressed one lies unpacked in a nameless file while it is read."""

    def __init__(self, path: Path, content: bytes | None = None) -> None:
        self.path = path
        self.content = content
        self._members: dict[str, tuple[int, int]] = {}
        self._file: IO[bytes] | None = None
        self._process = 0
        self._lock = threading.Lock()

    def scan(self) -> Listing:
        """List images.

        Raises:
            DataError: if it is no tar archive, or one that was made to do harm.
        """
        listing = Listing()
        total = 0
        try:
            with tarfile.open(fileobj=self._opened(), mode="r:") as archive:
                for member in archive:
                    name = member.name.removeprefix("./")
                    parts = PurePosixPath(name).parts
                    if name.startswith("/") or ".." in parts or ":" in (parts or ("",))[0]:
                        raise self._refused(
                            f"a member is named '{name}', which points outside the folder"
                        )
                    if member.isdir() or any(part.startswith(".") for part in parts):
                        continue
                    if not member.isreg() or member.issparse():
                        listing.skipped["links or special files"] += 1
                        continue
                    is_image = listing.sort(name)
                    if is_image or listing.archives[-1:] == [name]:
                        total += member.size
                        self._members[name] = member.offset_data, member.size
        except BROKEN_TAR as error:
            raise self._refused(str(error)[:100] or type(error).__name__) from error
        if total > TOTAL:
            raise self._refused(f"its images would unpack to {total} bytes, more than {TOTAL}")
        listing.names = sorted(set(listing.names))
        return listing

    def read(self, name: str, limit: int) -> bytes:
        """Return the member's bytes."""
        size = self._members[name][1]
        if size > limit:
            raise UnreadableError(f"{size:,} bytes, more than {limit:,}")
        return self._slice(name, size)

    def peek(self, name: str, length: int) -> tuple[bytes, int]:
        """Return the beginning of the member, and its size."""
        size = self._members[name][1]
        return self._slice(name, min(size, length)), size

    def _slice(self, name: str, size: int) -> bytes:
        start = self._members[name][0]
        with self._lock:
            try:
                file = self._opened()
                file.seek(start)
                data = file.read(size)
            except OSError as error:
                raise UnreadableError(str(error.strerror)) from error
        if len(data) < size:
            raise UnreadableError("truncated")
        return data

    def _opened(self) -> IO[bytes]:
        """Return the plain archive, opened anew in every process: they must not share a position.

        Raises:
            DataError: if it cannot be read, or would fill the disk.
        """
        if self._file is None or self._process != os.getpid():
            try:
                file: IO[bytes] = (
                    self.path.open("rb") if self.content is None else BytesIO(self.content)
                )
                self._file = file if _is_plain_tar(file) else self._unpacked(file)
            except BROKEN_TAR as error:
                raise self._refused(str(error)[:100] or type(error).__name__) from error
            self._process = os.getpid()
        return self._file

    def _unpacked(self, packed: IO[bytes]) -> IO[bytes]:
        import bz2
        import gzip
        import lzma

        start = packed.read(6)
        packed.seek(0)
        readers: dict[bytes, Any] = {b"BZh": bz2.open, b"\xfd7z": lzma.open}
        most = int(MOST_OF_DISK * shutil.disk_usage(tempfile.gettempdir()).free)
        plain = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            with readers.get(start[:3], gzip.open)(packed) as reader:
                done = 0
                while block := reader.read(1 << 20):
                    done += len(block)
                    if done > most:
                        raise self._refused(
                            f"it unpacks to more than {most:,} bytes, half of what is free in "
                            f"'{tempfile.gettempdir()}'"
                        )
                    plain.write(block)
        except lzma.LZMAError as error:
            raise self._refused(str(error)) from error
        plain.seek(0)
        return plain

    def _refused(self, reason: str) -> DataError:
        return DataError(printable(f"'{self.path}': {reason}; use a whole tar archive of images"))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


class NestedStore:
    """A store whose archives are looked into where it has no images beside them."""

    def __init__(self, store: Store, depth: int = 1) -> None:
        self.store = store
        self.path = store.path
        self.depth = depth
        self._inner: dict[str, Store] = {}

    def scan(self) -> Listing:
        """List images, those of archives inside below the archive's name.

        Raises:
            DataError: if an archive inside cannot be read, is too large or too deep.
        """
        listing = self.store.scan()
        if listing.names or not listing.archives:
            return listing
        if self.depth >= DEPTH:
            raise DataError(
                printable(f"'{self.path}': more than {DEPTH} nested archives; unpack it")
            )
        held = 0
        found = Listing(skipped=listing.skipped, others=listing.others)
        for name in sorted(listing.archives):
            inner, size = self._opened(name)
            held += size
            if held > INNERS:
                raise DataError(
                    printable(f"'{self.path}': archives of more than {INNERS:,} bytes; unpack it")
                )
            if inner is None:
                continue
            inside = inner.scan()
            self._inner[name] = inner
            found.names += [f"{name}/{each}" for each in inside.names]
            found.skipped += inside.skipped
            found.others += inside.others
            found.others[PurePosixPath(name).suffix.lower()] -= 1
            found.notes += inside.notes
        found.others = +found.others
        found.notes.append(f"read from nested archives: {len(self._inner)}")
        return found

    def read(self, name: str, limit: int) -> bytes:
        """Return an image's bytes."""
        store, below = self._place(name)
        return store.read(below, limit)

    def peek(self, name: str, length: int) -> tuple[bytes, int]:
        """Return the beginning of an image, and how many bytes it has."""
        store, below = self._place(name)
        return store.peek(below, length)

    def _place(self, name: str) -> tuple[Store, str]:
        """Return the store that has an image, and its name there."""
        for archive, inner in self._inner.items():
            if name.startswith(f"{archive}/"):
                return inner, name[len(archive) + 1 :]
        return self.store, name

    def _opened(self, name: str) -> tuple[Store | None, int]:
        """Return an archive inside, None where it is none, and its bytes in memory."""
        path = self.path / name
        try:
            if isinstance(self.store, FolderStore):
                start = _beginning(path)
                content = None
            else:
                content = self.store.read(name, INNER)
                start = content[:512]
        except UnreadableError as error:
            raise DataError(printable(f"'{path}': {error}")) from error
        size = len(content or b"")
        if _is_tar(start):
            return NestedStore(TarStore(path, content), self.depth + 1), size
        if start.startswith(b"PK"):
            return NestedStore(ZipStore(path, content), self.depth + 1), size
        return None, size


def _beginning(path: Path) -> bytes:
    try:
        with open(os.open(path, os.O_RDONLY | NO_WAIT), "rb") as file:
            return file.read(512)
    except OSError as error:
        raise DataError(printable(f"'{path}': {error.strerror}; make it readable")) from error


def _is_tar(start: bytes) -> bool:
    return start[257:262] == b"ustar" or start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ"))


def _is_plain_tar(file: IO[bytes]) -> bool:
    start = file.read(262)
    file.seek(0)
    return start[257:262] == b"ustar"


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
