"""``ganzoo list``: recipes, components, data sets and runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ganzoo.cli import output as streams
from ganzoo.cli.app import Command
from ganzoo.cli.options import PluginFiles, json_option, out_option, plugin_options
from ganzoo.cli.output import show_table
from ganzoo.cli.summaries import progress
from ganzoo.common.text import number

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry


class Section(NamedTuple):
    """One table."""

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    shown: Callable[[dict[str, Any]], tuple[Any, ...]]


@click.command(
    "list",
    cls=Command,
    examples=["ganzoo list losses", "ganzoo list runs --json", "ganzoo list all"],
)
@click.argument("what", default="all", metavar="[WHAT]")
@plugin_options
@out_option
@json_option
def list_things(*, what: str, plugin_files: PluginFiles, out: Path, as_json: bool) -> None:
    """List recipes, runs, data or the components of a kind.

    WHAT is all, recipes, runs, data, generators, discriminators, losses, regularizers,
    optimizers, metrics or views.
    """
    from ganzoo.common.errors import GanzooError, suggest
    from ganzoo.plugin.kinds import KINDS

    choices = ["all", "recipes", "runs", *KINDS]
    others = {"recipe": "recipes", "run": "runs"} | {
        word: name for name, kind in KINDS.items() for word in (kind.plural, *kind.also)
    }
    chosen = others.get(what, what)
    if chosen not in choices:
        near = suggest(what, [*choices, *others])
        raise GanzooError(f"nothing named {what!r} to list{near}; there are {', '.join(choices)}")
    registry = None if chosen in {"recipes", "runs"} else plugin_files.load(streams.warn)
    names = [name for name in choices if name != "all"] if chosen == "all" else [chosen]
    sections = {name: section(name, registry, out) for name in names}
    if as_json:
        found = {name: part.rows for name, part in sections.items()}
        streams.result(found if chosen == "all" else found[chosen])
        return
    for place, (name, part) in enumerate(sections.items()):
        if place:
            streams.say()
        show_table(name if len(sections) > 1 else "", part.columns, map(part.shown, part.rows))


def section(name: str, registry: Registry | None, out: Path) -> Section:
    """Return one table's content."""
    if name == "recipes":
        return Section(
            ("recipe", "about"),
            recipe_rows(),
            lambda row: (row["name"], f"{row['about']} Expect: {row['expect']}"),
        )
    if name == "runs":
        from ganzoo.runs.record import summaries

        return Section(
            ("run", "recipe", "status", "step", "last changed", "losses d, g"),
            summaries(out),
            lambda row: (
                row["id"], row["title"], row["status"], progress(row),
                str(row["time"])[5:16].replace("T", " "), losses(row["last"]),
            ),
        )  # fmt: skip
    assert registry is not None
    return Section(
        (name, "from", "about"),
        component_rows(name, registry),
        lambda row: (row["use"], row["from"], row["about"]),
    )


def component_rows(kind: str, registry: Registry) -> list[dict[str, Any]]:
    """Return every component of a kind."""
    return [
        {
            "use": use,
            "kind": kind,
            "from": registry.owner(kind, use).origin,
            "about": registry.about(kind, use),
        }
        for use in registry.specs(kind)
    ]


def recipe_rows() -> list[dict[str, Any]]:
    """Return every shipped recipe."""
    from ganzoo.recipe.source import shipped

    return [
        {
            "name": name,
            "about": header[0] if header else "",
            "expect": expected(header),
            "file": str(path),
        }
        for name, path in shipped().items()
        for header in [header_of(path)]
    ]


def header_of(path: Path) -> list[str]:
    """Return the comment lines that a recipe begins with, but for directives."""
    found = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if not line.startswith("#"):
                break
            if not line.startswith("#:") and line.strip("# \n"):
                found.append(line.strip("# \n"))
    return found


def expected(header: list[str]) -> str:
    """Return what follows 'Expect:' in a recipe's header."""
    _, _, after = " ".join(header).partition("Expect: ")
    return after


def losses(last: dict[str, Any]) -> str:
    """Return the sums of both sides, '1.369, 0.714'."""
    found = [last[name] for name in ("d/loss", "g/loss") if name in last]
    return ", ".join(map(number, found))
