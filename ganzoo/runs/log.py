"""The names of a log's values, and how its entries read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganzoo.common.text import number

MEASURES = "m/"
"""Goes before the names of measures in the log."""
BATCH = "batch/"
"""Goes before the names of sums over the newest batch alone, where the others are means."""
RAMPS = "ramp/"
"""Goes before the keys of numbers that move."""
SIDES = {"d": "discriminator", "g": "generator"}


def is_term(name: str) -> bool:
    """Return whether a value of the log is a term of a loss, a sum of them or an accuracy."""
    return name.partition("/")[0] in SIDES


def terms(entry: Mapping[str, Any]) -> str:
    """Return the losses of a log entry by side: the sum, its terms, and that of the last batch."""
    sides = []
    for letter, side in SIDES.items():
        own = {
            name.partition("/")[2]: value
            for name, value in entry.items()
            if name.startswith(f"{letter}/")
        }
        accuracy = own.pop("accuracy", None)
        total = own.pop("loss", None)
        words = []
        if total is not None:
            parts = [f"{name} {number(value)}" for name, value in own.items()]
            words.append(" = ".join([f"loss {number(total)}", *filter(None, [_sum(parts)])]))
        else:
            words += [f"{name} {number(value)}" for name, value in own.items()]
        newest = entry.get(f"{BATCH}{letter}/loss")
        if newest is not None and newest != total:
            words.append(f"last batch {number(newest)}")
        if accuracy is not None:
            words.append(f"accuracy {number(accuracy)}")
        if words:
            sides.append(f"{side} {', '.join(words)}")
    return " · ".join(sides)


def _sum(parts: list[str]) -> str:
    """Return 'real 0.500 + fake 0.250'; nothing where one term is the sum."""
    return " + ".join(parts) if len(parts) > 1 else ""


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

    'd/loss' is 'discriminator/loss', 'm/frechet' 'measure/frechet', 'epoch' 'progress/epoch',
    'batch/d/loss' 'discriminator/loss_of_last_batch'.
    """
    if name.startswith(BATCH):
        return f"{curve_name(name.removeprefix(BATCH))}_of_last_batch"
    group, slash, rest = name.partition("/")
    return f"{GROUPS.get(group, group)}/{rest}" if slash else f"progress/{name}"
