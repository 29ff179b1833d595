"""A finished run's walk, classes and nearest training images, as tiles that a page can lay out.

One picture is in the page once; each tile shows its part of it, as large as there is room for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ganzoo.report.classes import picture_size
from ganzoo.report.page import picture
from ganzoo.runs.folder import RunDir
from ganzoo.runs.record import Table, many, real, table, whole

LOOKS = "looks.json"
WALK, CLASSES, NEAREST = "walk.png", "classes.png", "neighbours.png"
MOST_ROWS, MOST_COLUMNS = 50, 20
LONGEST = 120
MOST_FILM = 4 * 1024 * 1024
"""Bytes of a film, as it stands on a page; of a larger one the page says where it lies."""


@dataclass(frozen=True)
class Tile:
    """One image of a picture.

    Attributes:
        place: where it lies in the picture, as CSS has it.
        caption: what is said below it.
    """

    place: str
    caption: str = ""


@dataclass(frozen=True)
class Tiles:
    """A picture cut into tiles.

    Attributes:
        name: letters that tell it from the others of a page.
        uri: the picture.
        size: of the picture, in tiles, as CSS has it.
        shape: of a tile: its width over its height.
        rows: tiles, with the name of the row.
        note: what else is to be said.
    """

    name: str
    uri: str
    size: str
    shape: str
    rows: tuple[tuple[str, tuple[Tile, ...]], ...]
    note: str = ""


def all_looks(run: RunDir) -> dict[str, Tiles]:
    """Return what there is of a walk, classes and neighbours; files need not be trusted."""
    told = run.read_json(LOOKS)
    found: dict[str, Tiles] = {}
    for name, file in (("walk", WALK), ("classes", CLASSES), ("neighbours", NEAREST)):
        own = table(told.get(name))
        if own and (cut := _tiles(run, name, file, own)) is not None:
            found[name] = cut
    return found


def film(run: RunDir) -> tuple[str, str, int]:
    """Return the film as an address that holds it (empty where it is large), its name and bytes.

    The name is empty where there is none.
    """
    name = run.film.name
    if not run.has(name):
        return "", "", 0
    size = (run.path / name).stat().st_size
    return (picture(run, name) if size <= MOST_FILM else ""), name, size


def _tiles(run: RunDir, name: str, file: str, told: Table) -> Tiles | None:
    rows, columns = whole(told.get("rows")) or 0, whole(told.get("columns")) or 0
    gap = whole(told.get("gap")) or 0
    width, height = picture_size(run.path / file) if run.has(file) else (0, 0)
    if not (0 < rows <= MOST_ROWS and 0 < columns <= MOST_COLUMNS and gap <= 100):
        return None
    wide, high = (width - gap) / columns - gap, (height - gap) / rows - gap
    if wide < 1 or high < 1 or not (uri := picture(run, file)):
        return None

    def place(row: int, column: int) -> str:
        across = _share(gap + column * (wide + gap), width - wide)
        return f"{across} {_share(gap + row * (high + gap), height - high)}"

    names, captions = list(_names(name, told, rows)), _captions(name, told, rows, columns)
    return Tiles(
        name,
        uri,
        f"{100 * width / wide:.4f}% {100 * height / high:.4f}%",
        f"{wide:g} / {high:g}",
        tuple(
            (
                names[row],
                tuple(
                    Tile(place(row, column), captions.get((row, column), ""))
                    for column in range(columns)
                ),
            )
            for row in range(rows)
        ),
        _note(name, told, rows),
    )


def _share(start: float, room: float) -> str:
    return f"{100 * start / room if room > 0 else 0:.4f}%"


def _names(name: str, told: Table, rows: int) -> Iterator[str]:
    given = many(told.get("names")) if name == "classes" else []
    for row in range(rows):
        yield str(given[row])[:LONGEST] if row < len(given) else ""


def _captions(name: str, told: Table, rows: int, columns: int) -> dict[tuple[int, int], str]:
    if name != "neighbours":
        return {}
    asked, near = many(told.get("asked")), many(told.get("near"))
    found = {}
    for row in range(rows):
        found[row, 0] = f"fake, asked for {asked[row]}"[:LONGEST] if row < len(asked) else "fake"
        own = many(near[row]) if row < len(near) else []
        for column, one in enumerate(own[: columns - 1], 1):
            distance = real(table(one).get("distance"))
            told_class = str(table(one).get("class", ""))[:LONGEST]
            far = "" if distance is None else f"{distance:.3f}"
            found[row, column] = " · ".join(filter(None, [told_class, far]))
    return found


def _note(name: str, told: Table, rows: int) -> str:
    of = whole(told.get("of"))
    if name == "classes" and of is not None and of > rows:
        return f"the first {rows} of {of:,} classes"
    if name == "neighbours" and of is not None:
        return f"looked for among {of:,} training images"
    return ""
