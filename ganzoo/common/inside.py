"""Files inside a folder that anybody may have written: a run's, an experiment's, an exported one.

The folder itself is what the user named, by a link or not. Below it no symbolic link is followed,
only regular files are opened, and none is read that is larger than its kind ever is: whatever was
put there, nothing outside the folder is read or written, and nothing waits.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

from ganzoo.common.errors import RefusedError
from ganzoo.common.system import WHOLE, flags

FILE, FOLDER, LINK = "a file", "a folder", "a symbolic link"

NO_FOLLOW = flags("O_NOFOLLOW")
NO_WAIT = flags("O_NONBLOCK")
"""Without it, opening a pipe waits for somebody to write into it."""

_BASE = os.O_RDONLY | NO_FOLLOW | WHOLE
_FILE = _BASE | NO_WAIT | flags("O_NOCTTY")
_FOLDER = _BASE | flags("O_DIRECTORY")
_BY_DESCRIPTOR = bool(NO_FOLLOW) and {os.open, os.stat} <= os.supports_dir_fd
"""Whether a path can be walked folder by folder, so that none changes under our feet."""

_REPARSED = {
    getattr(stat, "IO_REPARSE_TAG_SYMLINK", None),
    getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None),
} - {None}


def open_inside(folder: Path, *parts: str) -> BinaryIO:
    """Open the regular file ``folder/part/part`` for reading.

    Raises:
        RefusedError: if a part is a link, or the last is no regular file.
        OSError: if it is not there, or the system refuses.
    """
    path = folder.joinpath(*parts)
    with ExitStack() as held:
        name, at = _reached(held, folder, parts)
        before = os.stat(name, dir_fd=at, follow_symlinks=False)
        _refuse_other(path, before, FILE)
        descriptor = os.open(name, _FILE, dir_fd=at)
    try:
        now = os.fstat(descriptor)
        _refuse_other(path, now, FILE)
        if not os.path.samestat(before, now) and not NO_FOLLOW:
            raise RefusedError(f"'{path}' was replaced while it was being opened; try again")
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_inside(folder: Path, *parts: str, most: int, only_end: bool = False) -> bytes:
    """Return the content of a regular file of at most ``most`` bytes.

    Args:
        only_end: whether of a larger file the last ``most`` bytes are returned.

    Raises:
        RefusedError: if it is a link, no regular file, or larger.
        OSError: if it is not there, or the system refuses.
    """
    with open_inside(folder, *parts) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            if not only_end:
                raise too_large(folder.joinpath(*parts), size, most)
            file.seek(size - most)
        return file.read(most)


def too_large(path: Path, size: int, most: int) -> RefusedError:
    """Return the error for a file that is larger than its kind ever is."""
    return RefusedError(
        f"'{path}' has {size:,} bytes and is not read: at most {most:,} are allowed; "
        "replace it with the right file"
    )


def find_inside(folder: Path, *parts: str) -> os.stat_result | None:
    """Return what the system knows of a regular file; None where there is none, or a link."""
    try:
        with ExitStack() as held:
            name, at = _reached(held, folder, parts)
            found = os.stat(name, dir_fd=at, follow_symlinks=False)
    except (OSError, RefusedError):
        return None
    return found if kind_of(found) == FILE else None


def list_inside(folder: Path, *parts: str) -> list[str]:
    """Return the names in a folder, sorted; none where it is not there, or a link."""
    try:
        with ExitStack() as held:
            name, at = _reached(held, folder, (*parts, "anything"))
            return sorted(os.listdir(Path(name).parent if at is None else at))
    except (OSError, RefusedError):
        return []


def writable_inside(folder: Path, *parts: str) -> Path:
    """Return ``folder/part/part`` to be written to; what is missing on the way may be made.

    Raises:
        RefusedError: if a part is a link, or one on the way no folder.
    """
    path = folder
    for number, part in enumerate(parts, 1):
        _refuse_outside(folder, part)
        path = path / part
        is_last = number == len(parts)
        with suppress(FileNotFoundError):
            found = os.lstat(path)
            if not is_last or kind_of(found) == LINK:
                _refuse_other(path, found, FILE if is_last else FOLDER)
    return path


def refuse_unless(path: Path, *wanted: str) -> None:
    """Raise RefusedError where something is at ``path`` that is none of ``wanted``."""
    with suppress(FileNotFoundError):
        _refuse_other(path, os.lstat(path), *wanted)


def kind_of(found: os.stat_result) -> str:
    """Return what a thing is, from what ``lstat`` says of it."""
    if stat.S_ISLNK(found.st_mode) or getattr(found, "st_reparse_tag", 0) in _REPARSED:
        return LINK
    kinds = ((stat.S_ISREG, FILE), (stat.S_ISDIR, FOLDER), (stat.S_ISFIFO, "a pipe"))
    return next((name for test, name in kinds if test(found.st_mode)), "a device or socket")


def _refuse_other(path: Path, found: os.stat_result, *wanted: str) -> None:
    kind = kind_of(found)
    if kind not in wanted:
        why = "which is not followed here" if kind == LINK else f"not {wanted[0]}"
        place = f"put the {wanted[0][2:]} itself in its place"
        raise RefusedError(f"'{path}' is {kind}, {why}; {place}")


def _refuse_outside(folder: Path, part: str) -> None:
    if part in {"", ".", ".."} or Path(part).name != part or "\0" in part:
        raise RefusedError(f"{part!r} is not a file name in '{folder}'")


def _reached(held: ExitStack, folder: Path, parts: Sequence[str]) -> tuple[str | Path, int | None]:
    """Return the last part, and the descriptor of the folder in which it lies, if there is one."""
    at = _entered(held, folder, None, _FOLDER & ~NO_FOLLOW) if _BY_DESCRIPTOR else None
    path = folder
    for part in parts[:-1]:
        _refuse_outside(folder, part)
        path = path / part
        name = path if at is None else part
        _refuse_other(path, os.stat(name, dir_fd=at, follow_symlinks=False), FOLDER)
        if at is not None:
            at = _entered(held, part, at, _FOLDER)
    _refuse_outside(folder, parts[-1])
    return (path / parts[-1], None) if at is None else (parts[-1], at)


def _entered(held: ExitStack, folder: str | Path, at: int | None, flags: int) -> int:
    descriptor = os.open(folder, flags, dir_fd=at)
    held.callback(os.close, descriptor)
    return descriptor
