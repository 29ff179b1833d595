"""What somebody asks of the machine; what came of it is a ``Machine``. Imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ganzoo.common.errors import GanzooError

DEVICE = re.compile(r"auto|cpu|mps|cuda(:[0-9]{1,4})?")
OUT = "runs"
"""Where run folders go unless somebody says otherwise."""
PRECISIONS = ("auto", "fp32", "tf32", "bf16")


@dataclass(frozen=True)
class Place:
    """What belongs to the machine and not to a recipe: where to compute, and where data lies.

    Attributes:
        device: 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'.
        data: folder of the datasets, else $GANZOO_DATA.
        threads: CPU threads; 0 leaves torch's choice, lowered for small networks.
        workers: processes that read images, where the data does not fit into memory.
        offline: whether nothing may be downloaded.
        precision: 'auto', 'fp32', 'tf32' or 'bf16'.
        deterministic: take only algorithms that give the same bits every time.
        runs: folder of the run folders, where a recipe begins with the weights of one.
        data_path: where own images lie, in place of the recipe's dataset.path.
    """

    device: str = "auto"
    data: str | None = None
    threads: int = 0
    workers: int = 0
    offline: bool = False
    precision: str = "auto"
    deterministic: bool = False
    data_path: str | None = None
    runs: str = OUT


def check_device(name: str) -> str:
    """Return the name of a device if it may be one, which only torch knows for certain.

    Raises:
        GanzooError: if there is no device of such a name anywhere.
    """
    if DEVICE.fullmatch(name):
        return name
    small = name.lower()
    meant = {"gpu": "cuda", "nvidia": "cuda", "apple": "mps", "metal": "mps"}.get(small, small)
    if re.fullmatch(r"(gpu:?)?[0-9]{1,4}", small):
        meant = f"cuda:{small.removeprefix('gpu').removeprefix(':')}"
    near = f"; did you mean {meant!r}?" if DEVICE.fullmatch(meant) else ""
    raise GanzooError(f"--device {name!r}: choose auto, cpu, cuda, cuda:N or mps{near}")
