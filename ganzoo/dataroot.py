"""The folder data sets live in."""

from __future__ import annotations

import os
from pathlib import Path

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
