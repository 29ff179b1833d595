"""A new recipe of one's own: a copy of another, or a few chosen parts on top of it; it checks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ganzoo.common import names
from ganzoo.common.errors import GanzooError
from ganzoo.common.files import publish
from ganzoo.plugin.registry import Registry
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.source import find_recipe, shipped

BASE = "dcgan_mnist"
PARTS = ("dataset", "generator", "discriminator", "loss")
"""What may be chosen."""


def write(name: str, below: str, chosen: Mapping[str, str], out: Path, registry: Registry) -> Path:
    """Write ``out/name.toml`` and return it.

    Args:
        name: of the recipe, with or without '.toml'.
        below: the recipe it is copied from, or builds on where parts are chosen.
        chosen: the ``use`` of each part that is another than there.
        out: folder of the new file.
        registry: where the parts are found.

    Raises:
        GanzooError: for a name that is none, a file that is there already, a part that is not, or
            parts that do not go together.
    """
    stem = name.removesuffix(".toml")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}", stem):
        raise GanzooError(f"{name!r} is no name for a recipe; use letters, digits, '_', '-', '.'")
    if problem := names.fault(stem):
        raise GanzooError(f"{name!r} {problem}; choose another name for the recipe")
    path = out / f"{stem}.toml"
    if path.exists():
        raise GanzooError(f"'{path}' is there already; choose another name, or remove it")
    for kind, use in chosen.items():
        registry.find(kind, use)
    source = find_recipe(below)
    text = composed(source, chosen) if chosen else copied(source)
    publish(path, text)
    try:
        load_recipe(path, registry)
    except GanzooError:
        path.unlink()
        raise
    return path


def copied(source: Path) -> str:
    """Return a recipe's text, without the editor's directive that holds only beside its schema."""
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#:schema")).lstrip("\n")


def composed(source: Path, chosen: Mapping[str, str]) -> str:
    """Return a recipe that builds on another and chooses parts of its own."""
    base = source.stem if source == shipped().get(source.stem) else source.name
    tables = "".join(f'\n[{kind}]\nuse = "{use}"\n' for kind, use in chosen.items())
    words = ", ".join(chosen.values())
    return f'# {base} with {words}.\n\nextends = "{base}"\n{tables}'
