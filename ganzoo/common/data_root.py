"""The folder data sets live in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

VARIABLE = "GANZOO_DATA"


def data_root(option: str | None = None) -> Path:
    """Return the data folder: ``option``, else ``$GANZOO_DATA``, else the user's cache folder.

    The folder need not exist: whoever downloads into it makes it. Only the two that a person typed
    have ``~`` expanded.
    """
    chosen = option or os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("ganzoo", appauthor=False)


class Progress(Protocol):
    """Told how far a long piece of work is: ``done`` of ``total`` (0 where unknown)."""

    def __call__(self, what: str, done: int, total: int) -> None: ...


def no_progress(what: str, done: int, total: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class DataRoot:
    """The folder data sets live in, and what a data set may do to fill it."""

    path: Path
    download: bool = True
    progress: Progress = no_progress
