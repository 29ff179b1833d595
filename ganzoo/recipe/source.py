"""TOML text to merged tables, and where each key was written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ganzoo.common.errors import GanzooError, printable, suggest, there_are
from ganzoo.common.tables import Keys
from ganzoo.recipe.layers import Node, Origin, over
from ganzoo.recipe.overrides import layer
from ganzoo.recipe.problems import Problem, RecipeError
from ganzoo.recipe.protocols import PROTOCOLS
from ganzoo.recipe.toml import parse

__all__ = ["Origin", "Source", "find_recipe", "read_source", "shipped"]

MAX_EXTENDS = 8
LENGTHS = ("epochs", "steps")
"""What says in [train] how long a run is; given by themselves, each replaces an inherited other."""


@dataclass(frozen=True)
class Source:
    """A recipe as it was written: one tree of tables out of its files and overrides."""

    file: str
    root: Node

    @property
    def tables(self) -> dict[str, Any]:
        """The merged tables."""
        tables: dict[str, Any] = self.root.plain()
        return tables

    def place(self, keys: Keys) -> Origin | None:
        """Return where ``keys`` was written, or the nearest key around it; None for the root."""
        place, node = None, self.root
        for key in keys:
            inner = node.inner(key)
            if inner is None:
                break
            place, node = inner.place, inner
        return place

    def problem(self, keys: Keys, message: str) -> Problem:
        """Return the mistake at ``keys``."""
        at = self.place(keys) or Origin(self.file, 0, "")
        return Problem(at.file, at.line, ".".join(map(str, keys)), message, at.text)


def read_source(path: Path, overrides: Sequence[str] = ()) -> Source:
    """Read a recipe with all it extends, and lay ``key=value`` overrides over it.

    A table that names another ``use`` than the one below it replaces it whole, and so does every
    list; other tables are merged key by key. Overrides form one layer, whatever their order.

    Raises:
        RecipeError: for a file that is no recipe by its size, depth, bytes or syntax, or extends
            what it cannot; for overrides that are not ``key=value``.
    """
    source = _extended(path, ())
    return Source(source.file, _laid(source.root, layer(overrides)))


def find_recipe(name: str) -> Path:
    """Return the file of that name, or the recipe ganzoo ships under it, with or without '.toml'.

    Raises:
        GanzooError: if there is neither.
    """
    known = shipped()
    stem = name.removesuffix(".toml")
    if os.path.isfile(name):
        return Path(name)
    if stem in known:
        return known[stem]
    if name and os.path.lexists(name):
        return Path(name)  # a folder, a device: ``read`` says what is wrong with it
    there = there_are(stem, known, "ganzoo list recipes")
    if stem != name:
        raise GanzooError(
            f"no file '{printable(name, 100)}', and no shipped recipe of that name{there}"
        )
    raise GanzooError(
        f"no recipe named '{printable(name, 100)}'{there}; or give the path of a .toml file"
    )


def parent(path: Path) -> Path | None:
    """Return the file that the recipe ``path`` extends, if any.

    Raises:
        RecipeError: if it extends what it cannot.
    """
    root = parse(path)
    source = Source(root.place.file, root)
    return None if root.inner("extends") is None else _parent(source, path)


def shipped() -> dict[str, Path]:
    """Return the recipes that come with ganzoo, by name."""
    package = Path(__file__).parents[1]
    inside = package / "recipes"  # in a wheel; in a checkout they lie beside the package
    folder = inside if inside.is_dir() else package.parent / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def shipped_ablations() -> dict[str, Path]:
    """Return the ablations that come with ganzoo, by name."""
    recipes = next(iter(shipped().values()), None)
    if recipes is None:
        return {}
    return {path.stem: path for path in sorted((recipes.parent / "ablations").glob("*.toml"))}


def _extended(path: Path, children: tuple[Path, ...]) -> Source:
    """Read ``path`` and what it extends; ``children`` lead to it."""
    root = parse(path)
    source = Source(root.place.file, root)
    if root.inner("extends") is None:
        return source
    parent = _parent(source, path)
    chain = (*children, path)
    if any(os.path.samefile(parent, file) for file in chain if parent.exists()):
        names = " -> ".join(file.name for file in (*chain, parent))
        raise RecipeError([source.problem(("extends",), f"leads back to itself: {names}")])
    if len(chain) > MAX_EXTENDS:
        message = f"more than {MAX_EXTENDS} levels of 'extends'; merge some recipes"
        raise RecipeError([source.problem(("extends",), message)])
    own = {key: node for key, node in root.value.items() if key != "extends"}
    below = _extended(parent, chain).root
    # What is run in place of a recipe suits that one: who changes the loss wants to see the loss.
    kept = {key: node for key, node in below.value.items() if key != "fallback"}
    return Source(source.file, _laid(Node(below.place, kept), Node(root.place, own)))


def _laid(below: Node, above: Node) -> Node:
    problems: list[Problem] = []
    root = over(
        _without_unlike_protocol(_without_other_length(below, above), above), above, problems
    )
    if problems:
        raise RecipeError(problems)
    return root


def _without_other_length(below: Node, above: Node) -> Node:
    """Return ``below`` without its length where ``above`` gives the run another in the other unit.

    Else the shorter of both would win, and 600 steps over inherited epochs might well end at 140.
    """
    given, inherited = (each.inner("train") for each in (above, below))
    if given is None or inherited is None:
        return below
    named = [key for key in LENGTHS if given.inner(key) is not None]
    if len(named) != 1 or not isinstance(inherited.value, dict):
        return below
    kept = {
        key: node for key, node in inherited.value.items() if key in named or key not in LENGTHS
    }
    train = Node(inherited.place, kept)
    return Node(below.place, {**below.value, "train": train})


def _without_unlike_protocol(below: Node, above: Node) -> Node:
    """Return ``below`` without the keys of [measure] that a protocol named ``above`` decides.

    So that a run is measured by any protocol: its frozen recipe holds a value for each key.
    """
    given, inherited = (each.inner("measure") for each in (above, below))
    named = given and given.inner("protocol")
    protocol = PROTOCOLS.get(str(named.value)) if named else None
    if protocol is None or inherited is None or not isinstance(inherited.value, dict):
        return below
    kept = {key: node for key, node in inherited.value.items() if key not in protocol.sets}
    return Node(below.place, {**below.value, "measure": Node(inherited.place, kept)})


def _parent(source: Source, path: Path) -> Path:
    """Return the file that ``source``, read from ``path``, extends: near it, or shipped."""
    name = source.tables["extends"]
    advice = "name a recipe in the same folder, or a shipped one"
    if not isinstance(name, str) or not name:
        problem = f"needs a name in quotes; {advice}"
    elif PurePosixPath(name).is_absolute() or {"..", "~"} & set(name.replace("\\", "/").split("/")):
        problem = f"'{name}' points outside this folder; {advice}"
    else:
        for near in (path.parent / name, path.parent / f"{name}.toml"):
            if os.path.isfile(near):
                return near
        stem, known = name.removesuffix(".toml"), shipped()
        if stem in known:
            return known[stem]
        problem = f"there is no recipe '{name}'{suggest(stem, known)}; {advice}"
    raise RecipeError([source.problem(("extends",), problem)])
