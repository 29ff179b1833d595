"""Out of memory: how Python, torch and the system say it, and what to say of it."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from ganzoo.common import system

SIGNS = (
    "out of memory",
    "out of shared memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "std::bad_alloc",
    "failed to map segment from shared object",
    "can't start new thread",
    "is killed by signal: killed",
)
"""In messages of errors that have no class of their own, as those of torch's allocator on a CPU."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the machine had no memory left, by an error or what it was raised from."""
    return any(_says_so(each) for each in _chain(error))


def memory_limit() -> str:
    """Return what ``ulimit -v`` allows this process, in words; nothing where it has no limit."""
    limit = system.address_space()
    return "" if limit is None else f"; ulimit -v allows this process {limit / 1e6:,.0f} MB"


def _says_so(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    text = str(error).lower()
    return isinstance(error, (RuntimeError, ImportError, OSError)) and any(
        sign in text for sign in SIGNS
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__
