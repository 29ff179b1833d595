"""A large file that one process makes while others wait, and that is in its place when whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from ganzoo.common import system
from ganzoo.common.files import cannot_write

PART = ".part"


def part_of(target: Path) -> Path:
    """Return where ``target`` lies until it is whole."""
    return target.with_name(target.name + PART)


@contextmanager
def unfinished(target: Path, elsewhere: str) -> Iterator[IO[bytes]]:
    """Open the unfinished file beside ``target``, for this process alone; others wait.

    What it holds already is kept, for whoever can go on with it. An empty one is removed.

    Args:
        elsewhere: how another place is chosen.

    Raises:
        MachineError: if it cannot be written.
    """
    part = part_of(target)
    made = [folder for folder in target.parents if not folder.exists()]
    held = ExitStack()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        held.enter_context(system.alone(part))
        file = held.enter_context(_locked(part))
    except OSError as error:
        held.close()
        raise cannot_write(part, error, elsewhere=elsewhere) from error
    try:
        with held:
            try:
                yield file
            finally:
                with suppress(OSError, ValueError):
                    _remove_if_empty(part, file)
    finally:
        with suppress(OSError):
            for folder in [] if target.exists() else made:
                folder.rmdir()  # which does nothing to one that holds something


def put_in_place(file: IO[bytes], target: Path, elsewhere: str) -> None:
    """Have an unfinished file that is whole take its place, on the disk and not only in memory.

    Raises:
        MachineError: if it cannot.
    """
    try:
        file.flush()
        os.fsync(file.fileno())
        if system.IS_WINDOWS:  # which does not rename open files
            file.close()
        system.replace(file.name, target)
        system.sync_folder(target.parent)
    except OSError as error:
        raise cannot_write(target, error, elsewhere=elsewhere) from error


def _locked(part: Path) -> IO[bytes]:
    """Open ``part``, and wait until no other process works on it."""
    while True:
        part.parent.mkdir(parents=True, exist_ok=True)
        file = part.open("a+b")
        system.lock(file.fileno())
        # Whoever held it may have renamed or removed it: then this is another file.
        with suppress(FileNotFoundError):
            if os.path.samestat(part.stat(), os.fstat(file.fileno())):
                return file
        file.close()


def _remove_if_empty(part: Path, file: IO[bytes]) -> None:
    is_empty = file.seek(0, os.SEEK_END) == 0
    if system.IS_WINDOWS:  # which does not remove open files
        file.close()
    if is_empty:
        part.unlink()
