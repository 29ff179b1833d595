"""What belongs to the machine and not to a recipe: device, precision, threads, loader workers."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from dataclasses import dataclass
from typing import Any

import torch

from ganzoo._version import __version__
from ganzoo.common import system
from ganzoo.common.errors import GanzooError
from ganzoo.plugin.registry import Registry
from ganzoo.training.precision import apply, choose


@dataclass(frozen=True)
class Machine:
    """Where a run takes place. These change the bits of a result, so they are recorded."""

    device: torch.device
    precision: str = "fp32"
    threads: int = 1
    workers: int = 0
    deterministic: bool = False
    chooses_threads: bool = False
    """Whether nobody asked for a number of threads, so that small networks may get fewer."""

    @property
    def peak_memory_mib(self) -> float:
        """The most memory that this process has held, in MiB; of a GPU, where this is one."""
        return peak_memory_mib(self.device)

    def state(self) -> dict[str, Any]:
        """Return what decides the bits of a run beside its recipe."""
        return {
            "device": self.device.type,
            "device_name": device_name(self.device),
            "precision": self.precision,
            "threads": self.threads,
            "deterministic": self.deterministic,
            "torch": torch.__version__,
        }


def choose_device(wanted: str) -> tuple[torch.device, str]:
    """Return the device for 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps', and a warning or nothing.

    Raises:
        GanzooError: if the device asked for is not there.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0), ""
        if torch.backends.mps.is_available():
            return torch.device("mps"), ""
        return torch.device("cpu"), "no GPU found: training on the CPU"
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise GanzooError(f"--device {wanted!r}: choose auto, cpu, cuda, cuda:N or mps") from None
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise GanzooError(f"--device {wanted}: torch sees no CUDA device; use --device cpu")
        index = device.index or 0
        if index >= torch.cuda.device_count():
            raise GanzooError(f"--device {wanted}: there are {torch.cuda.device_count()} devices")
        return torch.device("cuda", index), ""
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise GanzooError("--device mps: torch sees no such device; use --device cpu")
    if device.type not in {"cpu", "mps"}:
        raise GanzooError(f"--device {wanted!r}: choose auto, cpu, cuda, cuda:N or mps")
    return device, ""


def set_up(
    wanted: str = "auto",
    *,
    threads: int = 0,
    workers: int = 0,
    precision: str = "auto",
    deterministic: bool = False,
) -> tuple[Machine, str]:
    """Set torch up for a run; return the machine and a warning or nothing.

    Args:
        threads: CPU threads; 0 leaves torch's choice, lowered for small networks.
        workers: processes that read images, where the data does not fit into memory.
        precision: 'auto', 'fp32', 'tf32' or 'bf16'.
        deterministic: take only algorithms that give the same bits every time.

    Raises:
        GanzooError: if the device is not there or has no such precision.
    """
    device, warning = choose_device(wanted)
    chosen = choose(precision, device)
    apply(chosen, device, deterministic=deterministic)
    if threads:
        torch.set_num_threads(threads)
    if device.type == "cpu":
        keep_freed_memory()
    number = torch.get_num_threads()
    return Machine(device, chosen, number, workers, deterministic, not threads), warning


def peak_memory_mib(device: torch.device) -> float:
    """Return the most memory this process has held so far, in MiB: the GPU's where it has one."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device) / 2**20
    return system.peak_memory_mib()


def wait_for(device: torch.device) -> None:
    """Return when the device has done all it was asked to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def device_name(device: torch.device) -> str:
    """Return the name people know the device by."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    return system.processor_name()


def environment(machine: Machine, registry: Registry) -> dict[str, Any]:
    """Return the record of a run's surroundings."""
    return {
        "ganzoo": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **machine.state(),
        "workers": machine.workers,
        "omp": {name: value for name, value in os.environ.items() if name.startswith("OMP_")},
        "plugins": [
            {
                "name": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "sha256": plugin.sha256,
            }
            for plugin in registry.plugins
        ],
        "command": sys.argv,
    }


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
    if has_chosen or not system.IS_LINUX:
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    is_kept = any(mallopt(M_MMAP_THRESHOLD, size) for size in LARGEST)
    return is_kept and bool(mallopt(M_TRIM_THRESHOLD, -1))
