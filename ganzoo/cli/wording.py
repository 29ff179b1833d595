"""How figures, durations, terms and commands read in a sentence."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganzoo.figures import duration as duration
from ganzoo.figures import number as number
from ganzoo.rundir import RunDir, plugin_files

OUT = "runs"
"""Where run folders go unless ``--out`` says otherwise."""
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


def resume_command(run: RunDir) -> str:
    """Return what to type to go on with ``run``."""
    options = "".join(f" --plugin {shlex.quote(file.name)}" for file in plugin_files(run))
    return f"ganzoo resume {short_name(run)}{options}"


def short_name(run: RunDir) -> str:
    """Return the letters of a run in the usual place, else its folder, as the shell takes it."""
    usual = run.path.parent.parent.absolute() == Path(OUT).absolute()
    return run.id if usual else shlex.quote(str(run.path))
