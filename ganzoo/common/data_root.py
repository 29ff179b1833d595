"""The folder datasets live in, and the one for what is made from them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

VARIABLE = "GANZOO_DATA"
CACHE = "GANZOO_CACHE"
CACHE_FOLDER = f"name another folder with {CACHE}"
"""What to do about a cache folder that takes no file."""
DATA_FOLDER = f"name another data folder with --data or {VARIABLE}"
"""What to do about a data folder that takes no file."""
WITHOUT_HOME = "ganzoo-data"


def data_root(option: str | None = None) -> Path:
    """Return the data folder: ``option``, else ``$GANZOO_DATA``, else the user's cache folder.

    The folder need not exist: whoever downloads into it makes it. Only the two that a person typed
    have ``~`` expanded. Who has no home has it in the working folder.
    """
    chosen = option or os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    return users_cache() or Path.cwd() / WITHOUT_HOME


def cache_root() -> Path | None:
    """Return the folder of what can be made again from data: classifiers, statistics.

    ``$GANZOO_CACHE``, else the user's cache folder; None for who has no home. Data folders are
    shared and often cannot be written to.
    """
    chosen = os.environ.get(CACHE)
    return Path(chosen).expanduser().absolute() if chosen else users_cache()


def users_cache() -> Path | None:
    """Return the user's cache folder as the platform has it, or None for who has no home."""
    from platformdirs import user_cache_path

    # Where nobody knows the home, platformdirs says so, or, an earlier one, leaves '~' as it is.
    try:
        found = user_cache_path("ganzoo", appauthor=False)
    except RuntimeError:
        return None
    return found if found.is_absolute() else None


class Progress(Protocol):
    """Told how far a long piece of work is: ``done`` of ``total`` (0 where unknown)."""

    def __call__(self, what: str, done: int, total: int) -> None: ...


Tell = Callable[[str], None]
"""Told a line worth knowing."""


def nobody(text: str) -> None:
    """Tell nobody."""


def no_progress(what: str, done: int, total: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class DataRoot:
    """The folder datasets live in, and what a dataset may do to fill it."""

    path: Path
    download: bool = True
    progress: Progress = no_progress
    tell: Tell = nobody
    elsewhere: str = DATA_FOLDER
    """What to do where the folder takes no file."""
