"""Where encoded images lie: a folder with its sub-folders, or a zip archive read in place.

Nothing is ever unpacked, so that no name in an archive can lead out of a folder.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from ganzoo.api import DataError, printable

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif"})
NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""How a file is opened that may have become a pipe, where there are such; no byte translated."""
TOTAL = 256 << 30
"""Bytes at most that all images of an archive may claim to have."""
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
    """

    names: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    def sort(self, name: str) -> bool:
        """File ``name`` under images or others; True for an image."""
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in SUFFIXES:
            self.names.append(name)
            return True
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


def open_store(path: Path) -> Store:
    """Return the folder or zip archive at ``path``.

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
        return ZipStore(path)
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
                    listing.skipped["links that lead nowhere"] += 1
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
                listing.skipped["links to an image that is here already"] += 1
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

    def _entries(
        self, below: str, visited: set[tuple[int, int]], listing: Listing
    ) -> list[os.DirEntry[str]]:
        """Return what is visible in a folder by name, or nothing on a second visit."""
        folder = self.path / below
        try:
            identity = _identity(os.stat(folder))
            if identity in visited:
                listing.skipped["links to a folder that is here already"] += 1
                return []
            visited.add(identity)
            with os.scandir(folder) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            raise DataError(printable(f"'{folder}': {error.strerror}; make it readable")) from error
        return sorted(visible, key=lambda entry: entry.name)


class ZipStore:
    """A zip archive whose members are read one by one, each within its limits."""

    def __init__(self, path: Path) -> None:
        self.path = path
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
                raise self._refused(f"a member is named '{name}', which leads out of a folder")
            if member.flag_bits & 1:
                raise self._refused("it is encrypted")
            if member.is_dir() or any(part.startswith((".", "__MACOSX")) for part in parts):
                continue
            if stat.S_IFMT(member.external_attr >> 16) not in {0, stat.S_IFREG}:
                listing.skipped["links or special files"] += 1
            elif listing.sort(name):
                total += member.file_size
                self._members[name] = member
        if total > TOTAL:
            raise self._refused(f"its images claim {total} bytes, more than {TOTAL}")
        listing.names = sorted(self._members)
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

    def _opened(self) -> zipfile.ZipFile:
        """Return the archive, opened anew in every process: they must not share a position."""
        if self._archive is None or self._process != os.getpid():
            try:
                self._archive = zipfile.ZipFile(self.path)
            except BROKEN_ZIP as error:
                raise self._refused(str(error) or "it cannot be read") from error
            self._process = os.getpid()
        return self._archive

    def _refused(self, reason: str) -> DataError:
        return DataError(printable(f"'{self.path}': {reason}; use a whole zip archive of images"))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_archive": None}


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
