"""The names of classes beside the rows of a sheet, on pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ganzoo.common.text import listed
from ganzoo.runs.record import Table, many, table

NARROWEST = 200
"""Pixels that a sheet is wide on a telephone, beside its names."""
TEXT = 11
"""Pixels that a line of text is high."""
MOST_NAMES = 1_000
LONGEST = 120


@dataclass(frozen=True)
class Classes:
    """What a page says of the classes on its sheets.

    Attributes:
        names: one a row from the top; or the classes that images show in turn.
        are_rows: which of the two.
        fit: whether a row of the sheet is as high as a line of text, on a telephone too.
    """

    names: tuple[str, ...] = ()
    are_rows: bool = True
    fit: bool = False

    @property
    def beside(self) -> tuple[str, ...]:
        """The names that stand beside the sheet."""
        return self.names if self.fit else ()

    @property
    def below(self) -> tuple[str, ...]:
        """The names that stand in a list under it."""
        return () if self.fit else self.names

    @property
    def title(self) -> str:
        """What the names are."""
        return "classes of the rows, from the top" if self.are_rows else "classes, in turn"

    @property
    def aloud(self) -> str:
        """What is said of them in place of a picture; nothing without classes."""
        where = "rows from the top" if self.are_rows else "classes in turn"
        return f"; {where}: {listed(self.names)}" if self.names else ""


def sheet_classes(surroundings: Table, sheet: Path | None) -> Classes:
    """Return what the record of a run says of the classes on its sheets.

    Args:
        surroundings: content of environment.json, which need not be trusted.
        sheet: one of them.
    """
    found = table(surroundings.get("sheet"))
    rows, images = _names(found.get("rows")), _names(found.get("images"))
    if not rows:
        return Classes(images, are_rows=False)
    width, height = picture_size(sheet)
    return Classes(rows, fit=NARROWEST * height >= TEXT * len(rows) * width > 0)


def _names(found: object) -> tuple[str, ...]:
    return tuple(str(name)[:LONGEST] for name in many(found)[:MOST_NAMES])


def picture_size(path: Path | None) -> tuple[int, int]:
    """Return width and height as a PNG's first bytes say them; 0 where it is none."""
    if path is None:
        return 0, 0
    try:
        with path.open("rb") as file:
            start = file.read(24)
    except OSError:
        return 0, 0
    if len(start) < 24 or not start.startswith(b"\x89PNG"):
        return 0, 0
    return int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big")
