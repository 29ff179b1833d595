"""``--set key=value``: all of them as one layer over a recipe."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

from ganzoo.common.errors import GanzooError
from ganzoo.common.tables import leaves
from ganzoo.recipe.layers import Node, Origin, over
from ganzoo.recipe.problems import OVERRIDE, Problem, RecipeError
from ganzoo.recipe.toml import MAX_DEPTH, MAX_LINE, MAX_STRING, TOO_DEEP, depth, unfit

_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
BEGINS_TOML = frozenset("[{\"'")
"""What begins with these was meant as TOML, and is told where it is wrong."""


def layer(overrides: Sequence[str]) -> Node:
    """Return all ``key=value`` as one tree, whatever their order; of two equal keys the later.

    A value is TOML; text that is none stands for itself, unless it begins like TOML.

    Raises:
        RecipeError: for every one that cannot be read.
    """
    problems: list[Problem] = []
    given: list[tuple[list[str], Node]] = []
    for override in overrides:
        place = Origin(OVERRIDE, 0, override.strip())
        try:
            keys, value = _pair(override)
        except GanzooError as error:
            problems.append(Problem(OVERRIDE, 0, "", str(error), place.text))
        else:
            given.append((keys, _node(value, place)))
    tree = Node(Origin(OVERRIDE, 0, ""), {})
    # Whole tables before the keys in them: then the order they were given in does not matter.
    for keys, node in sorted(given, key=lambda one: len(one[0])):
        problems += _contradictions(tree, keys, node.place)
        for key in reversed(keys):
            node = Node(node.place, {key: node})
        tree = over(tree, node, problems)
    if problems:
        raise RecipeError(problems)
    return tree


def is_readable(override: str) -> bool:
    """Return whether it is ``key=value``."""
    try:
        _pair(override)
    except GanzooError:
        return False
    return True


def _contradictions(tree: Node, keys: list[str], place: Origin) -> Iterator[Problem]:
    """Yield a problem where ``tree`` has a plain value for what ``keys`` make a table."""
    around = tree
    for key in keys:
        is_list = isinstance(around.value, list)
        if not isinstance(around.value, dict) and not (is_list and key.isdecimal()):
            message = f"contradicts '{around.place.text}'; leave one of them out"
            yield Problem(OVERRIDE, 0, "", message, place.text)
            return
        inner = around.inner(int(key) if is_list else key)
        if inner is None:
            return
        around = inner


def _node(value: Any, place: Origin) -> Node:
    if isinstance(value, dict):
        return Node(place, {key: _node(inner, place) for key, inner in value.items()})
    if isinstance(value, list):
        return Node(place, [_node(inner, place) for inner in value])
    return Node(place, value)


def _pair(override: str) -> tuple[list[str], Any]:
    """Split and read ``key=value``.

    Raises:
        GanzooError: saying what to write in its place.
    """
    key, equals, written = override.partition("=")
    key, written = key.strip(), written.strip()
    if not equals:
        raise GanzooError("needs key=value, e.g. train.epochs=3")
    if not _KEY.fullmatch(key) or key.count(".") >= MAX_DEPTH or len(key) > MAX_STRING:
        raise GanzooError("needs a key before the '=', e.g. train.epochs=3")
    if key == "extends":
        raise GanzooError("'extends' belongs in the recipe's file")
    if not written:
        raise GanzooError(f"needs a value after the '=', e.g. {key}=3")
    if len(written) > MAX_LINE or "\n" in written:
        raise GanzooError(f"needs a value on one line of at most {MAX_LINE} characters")
    value = _value(key, written)
    if value == {}:
        raise GanzooError(f"changes nothing; name a key in it, e.g. {key}.KEY=3")
    return key.split("."), value


def _value(key: str, written: str) -> Any:
    try:
        value = tomllib.loads(f"value = {written}")["value"]
    except (ValueError, RecursionError):
        if written[0] in BEGINS_TOML:
            raise GanzooError(
                "the value is not TOML; write a number, true, false, a [list], or text, in quotes "
                f"if it begins with a bracket or quote: {key}='\"some text\"'"
            ) from None
        if unfit(written):
            raise GanzooError(unfit(written)) from None
        return written
    if depth(value) > MAX_DEPTH:
        raise GanzooError(TOO_DEEP)
    for keys, leaf in leaves(value, each_item=True):
        for part in (*keys, leaf):
            if isinstance(part, str) and unfit(part):
                raise GanzooError(unfit(part))
    return value
