"""Mistakes in a recipe: where each one is, what is wrong, what to do; all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ganzoo.common.errors import GanzooError, printable

SHOWN = 20
"""Mistakes reported at most; more are only counted."""
OVERRIDE = "--set"
"""The 'file' of a value given on the command line."""


@dataclass(frozen=True)
class Problem:
    """One mistake.

    Attributes:
        file: the recipe, or '--set'.
        line: counted from 1; 0 where no line can be named.
        key: dotted, empty for the file as a whole.
        message: what is wrong and what to do.
        text: the written line, empty where there is none.
    """

    file: str
    line: int
    key: str
    message: str
    text: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        key = f"{self.key}: " if self.key else ""
        shown = printable(f"{where}: {key}".replace("\n", " ") + self.message, 1000)
        text = printable(self.text.replace("\n", " "), 120).strip()
        return f"{shown}\n    {text}" if text else shown


class RecipeError(GanzooError):
    """A recipe that cannot be run, with every mistake in it.

    Attributes:
        problems: in the order of the recipe, at most ``SHOWN``.
        count: how many there are.
    """

    def __init__(self, problems: Sequence[Problem], count: int | None = None) -> None:
        self.problems = tuple(problems[:SHOWN])
        self.count = len(problems) if count is None else count
        super().__init__(self._text())

    def __reduce__(self) -> tuple[type[RecipeError], tuple[tuple[Problem, ...], int]]:
        return type(self), (self.problems, self.count)

    def _text(self) -> str:
        lines = [str(problem) for problem in self.problems]
        more = self.count - len(self.problems)
        if more:
            lines.append(f"... and {more} more.")
        lines.append(f"{self.count} error{'s' * (self.count != 1)}, nothing was started.")
        return "\n".join(lines)
