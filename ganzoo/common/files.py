"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ganzoo.common import system
from ganzoo.common.errors import MachineError
from ganzoo.common.inside import NO_FOLLOW, NO_WAIT

TEMPORARY = ".tmp-"
MOST_DEPTH = 32
"""Of tables and lists in each other, in JSON that is read."""
NEW = os.O_WRONLY | os.O_CREAT | system.WHOLE


OUT = "choose another folder with --out"
FILE = "name another place with --file"
PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""Formats of a picture, by the end of its file's name."""


def publish(path: Path, content: bytes | str, elsewhere: str = OUT) -> None:
    """Write ``content`` to ``path`` so that a kill at any instant leaves the old file or the new.

    Temporary file beside the target, fsync, rename, fsync of the folder.

    Args:
        elsewhere: how another place is chosen.

    Raises:
        MachineError: disk full, no permission and their like; the temporary file is removed.
    """
    data = content.encode() if isinstance(content, str) else content
    with new_file(path, len(data), elsewhere) as file:
        file.write(data)


@contextmanager
def new_file(path: Path, size: int | None = None, elsewhere: str = OUT) -> Iterator[Whole]:
    """Give a file to write to that becomes ``path`` when the block ends, as ``publish`` does it.

    Args:
        size: bytes that will be written, for the message where a disk is full.
        elsewhere: how another place is chosen.

    Raises:
        MachineError: disk full, no permission and their like; the temporary file is removed.
    """
    temporary = path.with_name(f"{path.name}{TEMPORARY}{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Whatever has that name already may be a link to somewhere else.
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, NEW | os.O_EXCL, 0o666)
        try:
            yield Whole(descriptor)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        system.replace(temporary, path)
        system.sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):  # the folder itself may be out of reach
            temporary.unlink(missing_ok=True)
        raise cannot_write(path, error, size, elsewhere) from error


class Whole:
    """A file whose ``write`` leaves nothing out: the system may take less than it was given."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def write(self, content: bytes | memoryview) -> None:
        """Write all of it.

        Raises:
            OSError: if the system refuses.
        """
        view = memoryview(content)
        while view:
            view = view[os.write(self.descriptor, view) :]

    def go_to(self, place: int) -> None:
        """Go on writing at that byte."""
        os.lseek(self.descriptor, place, os.SEEK_SET)


@contextmanager
def beside(warn: Callable[[str], None]) -> Iterator[None]:
    """Write in this block what lies beside a result, and is no reason to lose that one.

    Args:
        warn: is told what could not be written.
    """
    try:
        yield
    except MachineError as error:
        warn(f"the result is complete, but a file beside it is missing: {error}")


def append_line(path: Path, line: str) -> None:
    """Append one whole line in one write.

    Raises:
        MachineError: if it cannot be written; a torn line is cut off again.
    """
    data = (line + "\n").encode()
    try:
        descriptor = os.open(path, NEW | os.O_APPEND | NO_FOLLOW | NO_WAIT, 0o666)
        try:
            before = os.fstat(descriptor).st_size
            try:
                written = os.write(descriptor, data)
            except OSError:
                os.ftruncate(descriptor, before)
                raise
            if written != len(data):
                os.ftruncate(descriptor, before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise cannot_write(path, error, len(data)) from error


def sweep(folder: Path) -> None:
    """Remove what killed writers left behind. Only under the run's lock."""
    for place, _, names in os.walk(folder):
        for name in names:
            if TEMPORARY in name:
                Path(place, name).unlink(missing_ok=True)


def cannot_write(
    path: Path,
    error: OSError,
    size: int | None = None,
    elsewhere: str = OUT,
) -> MachineError:
    """Return the one error for a write that failed: file, reason, what to do."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    is_full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    needed = f"{megabytes(size)} are needed; " if is_full and size else ""
    free = "close what has it open, " if system.IS_WINDOWS and error.errno == errno.EACCES else ""
    remedy = f"{needed}{free}make {'room' if is_full else 'it writable'} or {elsewhere}"
    if error.errno == errno.ENOSPC and system.has_no_inodes(path):
        remedy = (
            f"no more files can be created there, whatever their size; remove some or {elsewhere}"
        )
    return MachineError(f"cannot write '{path}': {reason}; {remedy}")


def parse_json(content: bytes) -> Any:
    """Return what JSON says, read warily.

    Raises:
        ValueError: if it is none, or nested deeper than anything that is written here.
    """
    try:
        found = json.loads(content)
    except RecursionError:
        raise ValueError("nested too deep") from None
    level, depth = [found], 0
    while level := [
        inner
        for outer in level
        if isinstance(outer, dict | list)
        for inner in (outer.values() if isinstance(outer, dict) else outer)
    ]:
        depth += 1
        if depth > MOST_DEPTH:
            raise ValueError("nested too deep")
    return found


def megabytes(size: int) -> str:
    """Return a number of bytes for people; a small one is not called 0.0 MB."""
    return f"{size / 1e6:.1f} MB" if size >= 50_000 else f"{size:,} bytes"


def to_json(content: Mapping[str, Any], indent: int | None = None) -> str:
    """Return strict JSON; numbers that are not finite become null."""
    return json.dumps(finite(content), indent=indent, allow_nan=False, ensure_ascii=True)


def finite(value: Any) -> Any:
    """Return ``value`` with every number that JSON cannot hold replaced by None."""
    if isinstance(value, float):
        return value if abs(value) != float("inf") and value == value else None
    if isinstance(value, Mapping):
        return {str(name): finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def now() -> str:
    """Return the local time with its zone, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
