"""Memory that a step frees stays with the process, where the next step finds it.

glibc gives large blocks back to the system, which clears every page of them anew when the next step
asks again: thousands of page faults a step, 14 % of the time of a 64×64 network. Results are not
touched by it.
"""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
LARGEST = (1 << 30, 1 << 25)
"""Bytes up to which a freed block is kept; the second is all that some versions allow."""


def keep_freed_memory() -> bool:
    """Have the C library keep freed memory; return whether it does. Only glibc can be asked.

    Whoever has set its ``MALLOC_`` variables or tunables has chosen, and nothing is changed.
    """
    has_chosen = "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "") or any(
        name.startswith("MALLOC_") for name in os.environ
    )
    if has_chosen or not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    is_kept = any(mallopt(M_MMAP_THRESHOLD, size) for size in LARGEST)
    return is_kept and bool(mallopt(M_TRIM_THRESHOLD, -1))
