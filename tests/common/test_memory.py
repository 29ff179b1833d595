"""Out of memory is told from other errors, however Python, torch or the system put it."""

from __future__ import annotations

import errno
import os
import resource

import pytest
import torch

from ganzoo.common.errors import PluginError
from ganzoo.common.memory import is_out_of_memory, memory_limit
from ganzoo.plugin.attempt import attempt
from ganzoo.plugin.specs import LossSpec

NO_MEMORY = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("unable to mmap 80 bytes from file <x>: Cannot allocate memory (12)"),
    RuntimeError("can't start new thread"),
    RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."),
    ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
]


@pytest.mark.parametrize("error", NO_MEMORY, ids=repr)
def test_each_way_to_say_it_is_known_also_as_a_cause(error: Exception) -> None:
    outer = ValueError("could not be built")
    outer.__cause__ = error

    assert is_out_of_memory(error)
    assert is_out_of_memory(outer)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes do not fit"),
        ImportError("No module named 'x'"),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        ValueError("out of memory"),
    ],
    ids=repr,
)
def test_other_errors_are_no_lack_of_memory(error: Exception) -> None:
    assert not is_out_of_memory(error)


def test_a_component_is_not_blamed_for_it() -> None:
    class Any(LossSpec):
        """Any."""

        use = "any"

    def failing() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        attempt(Any(), "its terms", failing)
    with pytest.raises(PluginError):
        attempt(Any(), "its terms", lambda: 1 / 0)


def test_a_limit_that_is_set_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2_000_000_000, 0))
    assert "ulimit -v allows this process 2,000 MB" in memory_limit()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, 0))
    assert memory_limit() == ""
