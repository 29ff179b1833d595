"""Freed memory is kept where the C library can be asked to, and nobody has chosen otherwise.

A device is found for whoever names none.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest
import torch

from ganzoo.common import system
from ganzoo.training.machine import choose_device, keep_freed_memory

FAULTS = """
import ctypes, resource, sys
from ganzoo.common import system
from ganzoo.training.machine import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
SIZE = 48 << 20  # above what glibc learns to keep by itself
def use():
    block = libc.malloc(SIZE)
    ctypes.memset(block, 1, SIZE)
    libc.free(block)
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
HUGE_PAGES = (48 << 20) // (2 << 20)
"""The fewest faults that the block can take, once."""

is_glibc = sys.platform.startswith("linux") and hasattr(ctypes.CDLL(None), "mallopt")
needs_glibc = pytest.mark.skipif(not is_glibc, reason="only glibc can be asked to keep memory")


def faults(how: str) -> int:
    """Return the page faults of using one large block five times."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    told = subprocess.run(
        [sys.executable, "-c", FAULTS, how],
        env=kept,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(told.stdout)


@needs_glibc
def test_a_block_that_is_freed_and_asked_for_again_is_not_cleared_anew() -> None:
    assert faults("plain") >= 5 * HUGE_PAGES
    assert faults("keep") < HUGE_PAGES


@needs_glibc
@pytest.mark.parametrize(
    ("name", "value"),
    [("MALLOC_TRIM_THRESHOLD_", "131072"), ("GLIBC_TUNABLES", "glibc.malloc.trim_threshold=9")],
)
def test_who_has_set_the_library_up_by_hand_keeps_that(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    assert not keep_freed_memory()


def test_a_library_that_cannot_be_asked_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())

    assert not keep_freed_memory()


def test_systems_without_glibc_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "IS_LINUX", False)

    assert not keep_freed_memory()


def test_where_no_gpu_is_found_the_cpu_is_taken_and_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    assert choose_device("auto") == (torch.device("cpu"), "no GPU found: training on the CPU")
