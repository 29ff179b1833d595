"""The names of a log's values, and how its entries read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganzoo.common.text import number

MEASURES = "m/"
"""Goes before the names of measures in the log."""
SIDES = {"d": "discriminator", "g": "generator"}


def terms(entry: Mapping[str, Any]) -> str:
    """Return the terms of a log entry by side and name.

    Where a side has several terms their sum is left out, as they say more.
    """
    sides = []
    for letter, side in SIDES.items():
        own = {
            name.partition("/")[2]: value
            for name, value in entry.items()
            if name.startswith(f"{letter}/")
        }
        accuracy = own.pop("accuracy", None)
        total = own.pop("loss", None)
        named = own or ({"loss": total} if total is not None else {})
        words = [f"{name} {number(value)}" for name, value in named.items()]
        if accuracy is not None:
            words.append(f"accuracy {number(accuracy)}")
        if words:
            sides.append(f"{side} {', '.join(words)}")
    return " · ".join(sides)


def scores(entry: Mapping[str, Any]) -> str:
    """Return the measures of a log entry, or nothing where none were taken."""
    own = {
        name.removeprefix(MEASURES): value
        for name, value in entry.items()
        if name.startswith(MEASURES)
    }
    return ", ".join(f"{name} {number(value)}" for name, value in own.items())


STATE = "s/"
"""Goes before the names of numbers that components remember."""
GROUPS = {"d": "discriminator", "g": "generator", "m": "measure", "s": "state"}


def curve_name(name: str) -> str:
    """Return the name in full of a value of the log, with the group it belongs to.

    'd/loss' is 'discriminator/loss', 'm/frechet' 'measure/frechet', 'epoch' 'progress/epoch'.
    """
    group, slash, rest = name.partition("/")
    return f"{GROUPS.get(group, group)}/{rest}" if slash else f"progress/{name}"
