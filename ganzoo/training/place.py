"""What somebody asks of the machine; what came of it is a ``Machine``. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

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
    runs: str = "runs"
