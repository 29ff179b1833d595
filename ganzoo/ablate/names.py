"""Where ablation files are found: by path, or shipped with ganzoo."""

from __future__ import annotations

import os
from pathlib import Path

from ganzoo.errors import GanzooError, printable, suggest
from ganzoo.source import shipped


def shipped_ablations() -> dict[str, Path]:
    """Return the ablations that come with ganzoo, by name."""
    recipes = next(iter(shipped().values()), None)
    if recipes is None:
        return {}
    return {path.stem: path for path in sorted((recipes.parent / "ablations").glob("*.toml"))}


def find_ablation(name: str) -> Path:
    """Return the file of that name, or the ablation ganzoo ships under it.

    Raises:
        GanzooError: if there is neither.
    """
    known = shipped_ablations()
    stem = name.removesuffix(".toml")
    if os.path.isfile(name) or (stem not in known and name and os.path.lexists(name)):
        return Path(name)
    if stem in known:
        return known[stem]
    raise GanzooError(
        f"no ablation named '{printable(name, 100)}'{suggest(stem, known)}; there are "
        f"{', '.join(known) or 'none'}; or give the path of a .toml file"
    )
