"""Decoded images in the user's cache: made once, checked, mapped into memory ever after.

A file is pixels, a table in JSON, and a tail that says how long that table is. It is written under
another name and takes its own when it is whole, so that a kill leaves nothing that could be read.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ganzoo.common import system
from ganzoo.common.data_root import CACHE_FOLDER, Tell, cache_root
from ganzoo.common.errors import MachineError, printable
from ganzoo.common.files import Whole, cannot_write, megabytes, parse_json
from ganzoo.common.unfinished import PART, part_of, put_in_place, unfinished

FOLDER = "images"
SUFFIX = ".pixels"
MOST = "GANZOO_CACHE_LIMIT"
"""Gigabytes that all kept images may take; 0 keeps none."""
DEFAULT_MOST = 50.0
SPARE = 1_000_000_000
"""Bytes that stay free on the disk."""
BLOCK = 64 << 20
"""Bytes under one checksum."""
MOST_TABLE = 1 << 30
TAIL = struct.Struct(">8sIQ")
MAGIC = b"ganzoo\x00\x01"
REMOVE = "'ganzoo data cache clear' removes it"

Write = Callable[[bytes], None]
"""Takes the next pixels."""


class _Damage(Exception):  # noqa: N818
    """A file in the cache that is not what was written; the message is the reason."""


@dataclass(frozen=True)
class Kept:
    """Pixels as they lie on the disk, which nobody may write to, and what belongs to them."""

    pixels: mmap.mmap
    about: Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """A file in the cache, for people."""

    path: Path
    num_bytes: int
    used: float
    """When it was last used, in seconds of the system's clock."""
    title: str
    """What it is of; '' where it is not whole."""

    def __str__(self) -> str:
        day = time.strftime("%Y-%m-%d", time.localtime(self.used))
        what = self.title or f"not whole: '{self.path.name}'"
        return f"{megabytes(self.num_bytes)}, last used {day}: {what}"

    def facts(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "path": str(self.path),
            "bytes": self.num_bytes,
            "used": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(self.used)),
            "of": self.title,
        }


class _Full(Exception):  # noqa: N818
    """There is no room; the message is the reason."""


def keep(
    key: str,
    num_bytes: int,
    make: Callable[[Write], Mapping[str, Any]],
    *,
    title: str,
    tell: Tell,
) -> Kept | None:
    """Return the pixels that ``key`` stands for, made by ``make`` unless they are kept already.

    A second process that wants the same waits for the first. Whatever the disk refuses is told in
    one line, and None returned: the caller goes on without.

    Args:
        key: hexadecimal digits, over everything that the pixels depend on.
        num_bytes: at most so many pixels' bytes will there be.
        make: gives all pixels, in order, to what it is called with; returns what belongs to them.
        title: what they are of, for people.
        tell: is told before anything large is written, and what was removed for it.
    """
    cache, most = cache_root(), limit(tell)
    if cache is None or most == 0:
        return None
    folder = cache / FOLDER
    path = folder / f"{key[:32]}{SUFFIX}"
    try:
        if (found := _found(path, key, tell)) is not None:
            return found
        if system.is_locked(part_of(path)):
            tell(f"another process is caching the same images in '{folder}'; waiting for it")
        with unfinished(path, CACHE_FOLDER) as file:
            # Kept by the process we waited for?
            if (found := _found(path, key, tell)) is not None:
                os.ftruncate(file.fileno(), 0)
                return found
            os.ftruncate(file.fileno(), 0)
            _make_room(folder, num_bytes, most, tell)
            tell(
                f"caching decoded images in '{folder}' for the next run: {megabytes(num_bytes)}; "
                f"{REMOVE}"
            )
            try:
                _write(file, path, key, title, make)
            except BaseException:
                with suppress(OSError, ValueError):
                    os.ftruncate(file.fileno(), 0)
                raise
        return Kept(*_read(path, key))
    except OSError as error:
        reason: Exception = cannot_write(path, error, num_bytes, CACHE_FOLDER)
    except (MachineError, _Full, _Damage) as error:
        reason = error
    tell(f"decoded images are not cached: {reason}")
    return None


def limit(tell: Tell) -> float:
    """Return how many bytes all kept images may take."""
    written = os.environ.get(MOST, "")
    try:
        most = float(written) if written else DEFAULT_MOST
        if not 0 <= most < float("inf"):
            raise ValueError
    except ValueError:
        tell(f"{MOST} is {written!r}, not a number of gigabytes; using {DEFAULT_MOST:g}")
        most = DEFAULT_MOST
    return most * 1e9


def entries(cache: Path) -> list[Entry]:
    """Return what images a cache folder keeps, the last used first, and what is not whole."""
    found = []
    for path in _files(cache / FOLDER):
        with suppress(OSError):
            status = path.stat()
            title = "" if path.name.endswith(PART) else _title(path)
            found.append(Entry(path, status.st_size, status.st_mtime, title))
    return sorted(found, key=lambda entry: -entry.used)


def clear(cache: Path) -> tuple[list[Entry], list[str]]:
    """Remove kept images, but for what is being written; return these, and why others stay."""
    removed, stay = [], []
    for entry in entries(cache):
        if entry.path.name.endswith(PART) and system.is_locked(entry.path):
            stay.append(f"'{entry.path}': being written")
            continue
        try:
            entry.path.unlink()
        except OSError as error:
            stay.append(f"'{entry.path}': {error.strerror or error}")
        else:
            removed.append(entry)
    return removed, stay


def _files(folder: Path) -> Iterator[Path]:
    with suppress(OSError), os.scandir(folder) as inside:
        for each in inside:
            is_ours = each.name.removesuffix(PART).endswith(SUFFIX)
            if is_ours and each.is_file(follow_symlinks=False):
                yield Path(each.path)


def _found(path: Path, key: str, tell: Tell) -> Kept | None:
    """Return what is kept, or None; a damaged file is told of and removed."""
    try:
        kept = Kept(*_read(path, key))
    except FileNotFoundError:
        return None
    except _Damage as error:
        tell(f"'{path}' is damaged ({error}); decoding its images again")
        path.unlink(missing_ok=True)
        return None
    with suppress(OSError):
        os.utime(path)  # what was used last goes last
    return kept


def _read(path: Path, key: str) -> tuple[mmap.mmap, Mapping[str, Any]]:
    """Map a file whose every byte is what was written.

    Raises:
        _Damage: if it is not.
        OSError: if it cannot be read or mapped.
    """
    with path.open("rb") as file:
        table, length = _table(file)
        if table.get("key") != key:
            raise _Damage("it holds other images")
        pixels = mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ)
    sums = table.get("sums")
    if sums != _sums(pixels):
        raise _Damage("its checksums do not match its pixels")
    about = table.get("about")
    return pixels, about if isinstance(about, dict) else {}


def _sums(pixels: mmap.mmap) -> list[int]:
    """Return a checksum of each block, by as many threads as there are processors."""
    # With the library of logs that comes with it; every plugin imports this module.
    from concurrent.futures import ThreadPoolExecutor

    def sum_of(start: int) -> int:
        with memoryview(pixels) as view, view[start : start + BLOCK] as block:
            return zlib.crc32(block)

    with ThreadPoolExecutor(min(8, system.processors())) as pool:
        return list(pool.map(sum_of, range(0, len(pixels), BLOCK)))


def _table(file: IO[bytes]) -> tuple[dict[str, Any], int]:
    """Return the table of a file, and how many bytes of pixels are before it."""
    size = file.seek(0, os.SEEK_END)
    if size < TAIL.size:
        raise _Damage("it is too short")
    file.seek(size - TAIL.size)
    magic, checksum, length = TAIL.unpack(file.read(TAIL.size))
    start = size - TAIL.size - length
    if magic != MAGIC or length > MOST_TABLE or start <= 0:
        raise _Damage("its end is missing")
    file.seek(start)
    content = file.read(length)
    if zlib.crc32(content) != checksum:
        raise _Damage("its table was changed")
    try:
        table = parse_json(content)
    except ValueError as error:
        raise _Damage(str(error)) from error
    if not isinstance(table, dict) or table.get("bytes") != start:
        raise _Damage(f"it holds {start:,} bytes of pixels, not as many as it says")
    return table, start


def _title(path: Path) -> str:
    try:
        with path.open("rb") as file:
            table, _ = _table(file)
    except (OSError, _Damage):
        return ""
    return printable(str(table.get("title", "")))


def _write(
    file: IO[bytes],
    path: Path,
    key: str,
    title: str,
    make: Callable[[Write], Mapping[str, Any]],
) -> None:
    sums: list[int] = []
    block, total = 0, 0

    def write(pixels: bytes) -> None:
        nonlocal block, total
        view = memoryview(pixels)
        while view:
            piece = view[: BLOCK - total % BLOCK]
            _append(file, piece, path)
            block = zlib.crc32(piece, block)
            total += len(piece)
            if total % BLOCK == 0:
                sums.append(block)
                block = 0
            view = view[len(piece) :]

    about = make(write)
    if total % BLOCK:
        sums.append(block)
    table = {"title": title, "key": key, "bytes": total, "sums": sums, "about": about}
    content = json.dumps(table).encode()
    _append(file, content + TAIL.pack(MAGIC, zlib.crc32(content), len(content)), path)
    put_in_place(file, path, CACHE_FOLDER)


def _append(file: IO[bytes], content: bytes | memoryview, path: Path) -> None:
    # Past the file's buffer, which would be written later, when there may be no room.
    try:
        Whole(file.fileno()).write(content)
    except OSError as error:
        raise cannot_write(part_of(path), error, elsewhere=CACHE_FOLDER) from error


def _make_room(folder: Path, num_bytes: int, most: float, tell: Tell) -> None:
    """Remove what was not used for longest until ``num_bytes`` more are within the limit.

    Raises:
        _Full: if that does not help, or the disk is full.
    """
    if num_bytes > most:
        raise _Full(f"{megabytes(num_bytes)} are more than {most / 1e9:g} GB, which {MOST} allows")
    kept = [entry for entry in entries(folder.parent) if not entry.path.name.endswith(PART)]
    while kept and sum(entry.num_bytes for entry in kept) + num_bytes > most:
        oldest = kept.pop()
        with suppress(OSError):
            oldest.path.unlink()
            tell(f"removed cached images, to stay below {most / 1e9:g} GB ({MOST}): {oldest}")
    free = shutil.disk_usage(folder).free
    if free < num_bytes + SPARE:
        raise _Full(
            f"{megabytes(num_bytes)} are needed in '{folder}', and {megabytes(free)} are free, of "
            f"which {megabytes(SPARE)} stay so; make room or {CACHE_FOLDER}"
        )
