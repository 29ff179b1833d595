"""Trees of TOML values that know where they were written, and how one lies over another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganzoo.common.tables import Keys
from ganzoo.recipe.problems import OVERRIDE, Problem

_POSITION = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True)
class Origin:
    """Where a key was written; line 0 of '--set' for one given on the command line."""

    file: str
    line: int
    text: str
    """The written line."""


@dataclass(frozen=True)
class Node:
    """A TOML value; tables and lists hold nodes."""

    place: Origin
    value: Any

    def plain(self) -> Any:
        """Return the value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def inner(self, key: str | int) -> Node | None:
        """Return what a table holds under ``key``, or a list at it; None where there is none."""
        if isinstance(self.value, dict):
            return self.value.get(key)
        if isinstance(self.value, list) and isinstance(key, int) and 0 <= key < len(self.value):
            node: Node = self.value[key]
            return node
        return None

    @property
    def is_positions(self) -> bool:
        """Whether it is a table of list positions, as ``regularizer.0.weight=3`` gives it."""
        return (
            isinstance(self.value, dict)
            and bool(self.value)
            and all(_POSITION.fullmatch(key) for key in self.value)
        )


def placed(value: Any, places: Mapping[Keys, Origin], around: Origin, keys: Keys = ()) -> Node:
    """Return ``value`` as a tree; what ``places`` does not know is where the key around it is."""
    place = places.get(keys, around)
    if isinstance(value, dict):
        value = {key: placed(one, places, place, (*keys, key)) for key, one in value.items()}
    elif isinstance(value, list):
        value = [placed(one, places, place, (*keys, at)) for at, one in enumerate(value)]
    return Node(place, value)


def over(below: Node, above: Node, problems: list[Problem], keys: Keys = ()) -> Node:
    """Lay ``above`` over ``below``.

    Tables are merged key by key, except that one which names another ``use`` replaces the table
    below it. Lists are replaced, except by a table of positions, which changes single items.
    Positions that are not there are added to ``problems``.
    """
    if isinstance(below.value, list) and above.is_positions:
        items = list(below.value)
        for position, node in above.value.items():
            at = int(position)
            if at < len(items):
                items[at] = over(items[at], node, problems, (*keys, at))
            else:
                problems.append(_absent(node, (*keys, at), len(items)))
        return Node(below.place, items)
    if not isinstance(below.value, dict) or not isinstance(above.value, dict):
        return above
    if _use(above) is not None and _use(below) is not None and _use(above) != _use(below):
        return above
    merged = dict(below.value)
    for key, node in above.value.items():
        merged[key] = over(merged[key], node, problems, (*keys, key)) if key in merged else node
    # A key given on the command line says nothing about where its table is.
    return Node(below.place if above.place.file == OVERRIDE else above.place, merged)


def _use(table: Node) -> Any:
    use = table.inner("use")
    return use and use.plain()


def _absent(node: Node, keys: Keys, length: int) -> Problem:
    place = node.place
    message = f"there is no such item to change; the list has {length}, counted from 0"
    return Problem(place.file, place.line, ".".join(map(str, keys)), message, place.text)
