"""A new recipe of one's own: a copy of another, or a few chosen parts on top of it; it checks."""

from __future__ import annotations

import json
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
DEPTH = {"generator": "scales", "discriminator": "strides"}
"""Fields that say how deep a network is; with 'auto' as the images' size asks for."""


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
    path = new_file(name, out)
    for kind, use in chosen.items():
        registry.find(kind, use)
    source = find_recipe(below)
    place(path, composed(source, chosen, registry) if chosen else copied(source), registry)
    return path


def new_file(name: str, out: Path) -> Path:
    """Return the file of a new recipe.

    Raises:
        GanzooError: for a name that is none, or a file that is there already.
    """
    stem = name.removesuffix(".toml")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}", stem):
        raise GanzooError(f"{name!r} is not a recipe name; use letters, digits, '_', '-', '.'")
    if problem := names.fault(stem):
        raise GanzooError(f"{name!r} {problem}; choose another name for the recipe")
    path = out / f"{stem}.toml"
    if path.exists():
        raise GanzooError(f"'{path}' already exists; choose another name, or remove it")
    return path


def place(path: Path, text: str, registry: Registry) -> None:
    """Write a recipe's text to a new file that checks, or leave none.

    Raises:
        GanzooError: if it does not check.
    """
    publish(path, text)
    try:
        load_recipe(path, registry)
    except GanzooError:
        path.unlink()
        raise


def copied(source: Path) -> str:
    """Return a recipe's text, without the editor's directive that holds only beside its schema."""
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#:schema")).lstrip("\n")


def composed(source: Path, chosen: Mapping[str, str], registry: Registry) -> str:
    """Return a recipe that builds on another and chooses parts of its own.

    What a part must be told and only its user knows is filled in by its example. Networks whose
    depth can follow the images' size do so.
    """
    base = source.stem if source == shipped().get(source.stem) else source.name
    below = load_recipe(source, registry)
    tables = []
    for kind in PARTS:
        use = chosen.get(kind) or getattr(below, kind).use
        fields = registry.find(kind, use).model_fields
        lines = [
            f"{key} = {json.dumps(field.examples[0])}  # yours"
            for key, field in fields.items()
            if kind in chosen and field.is_required() and field.examples
        ]
        depth = DEPTH.get(kind, "")
        if "dataset" in chosen and depth in fields and "auto" in str(fields[depth].annotation):
            lines.append(f'{depth} = "auto"')
        if kind in chosen or lines:
            tables.append("\n".join(["", f"[{kind}]", f'use = "{use}"', *lines, ""]))
    words = ", ".join(chosen.values())
    return f'# {base} with {words}.\n\nextends = "{base}"\n{"".join(tables)}'
