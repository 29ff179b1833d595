"""``ganzoo list``: recipes, ablations, components, datasets and runs."""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ganzoo.cli import output as streams
from ganzoo.cli.app import Command
from ganzoo.cli.options import PluginFiles, json_option, out_option, plugin_options
from ganzoo.cli.output import show_table
from ganzoo.plugin.models import PREFIX

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry


TUTORIAL = "seed_"
"""How the names of recipes begin that follow a tutorial."""
GROUPS = {
    "digits": "scikit-learn's digits, no download",
    "mnist": "MNIST",
    "cifar10": "CIFAR-10",
    "folder": "your own images",
    "stacked_mnist": "Stacked MNIST, for mode coverage",
    "edges": "pairs and two folders of pictures",
    "paired": "pairs and two folders of pictures",
    "unpaired": "pairs and two folders of pictures",
    "changed_digits": "pairs and two folders of pictures",
    "ring": "points",
    "grid": "points",
    "dirac": "points",
    TUTORIAL: "tutorials",
}
"""Titles by dataset, in the order of the list."""


class Section(NamedTuple):
    """One table."""

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    shown: Callable[[dict[str, Any]], tuple[Any, ...]]


@click.command(
    "list",
    cls=Command,
    examples=["ganzoo list losses", "ganzoo list recipes --json", "ganzoo list all"],
)
@click.argument("what", default="all", metavar="[WHAT]")
@plugin_options
@out_option
@json_option
def list_things(*, what: str, plugin_files: PluginFiles, out: Path, as_json: bool) -> None:
    """List recipes, ablations, runs, data or components.

    WHAT is all, recipes, ablations, runs, models, data, generators, discriminators, losses,
    regularizers, optimizers, metrics, views or steps. 'ganzoo runs' does more with runs.
    """
    from ganzoo.cli import run_table
    from ganzoo.common.errors import GanzooError, suggest
    from ganzoo.plugin.kinds import KINDS
    from ganzoo.runs.choosing import Wish

    own = ("recipes", "ablations", "runs", "models")
    choices = ["all", *own, *KINDS]
    others = (
        {name.removesuffix("s"): name for name in own}
        | {"zoo": "models"}
        | {word: name for name, kind in KINDS.items() for word in (kind.plural, *kind.also)}
    )
    chosen = others.get(what, what)
    if chosen not in choices:
        near = suggest(what, [*choices, *others], then=f"there are {', '.join(choices)}")
        raise GanzooError(f"nothing named {what!r} to list{near}")
    if chosen == "runs":
        runs = run_table.chosen(out, Wish())
        return streams.result(runs) if as_json else run_table.show_runs(runs)
    registry = None if chosen in {"recipes", "ablations"} else plugin_files.load(streams.warn)
    names = [name for name in choices if name != "all"] if chosen == "all" else [chosen]
    sections = {name: section(name, registry) for name in names if name != "runs"}
    runs = run_table.chosen(out, Wish()) if chosen == "all" else []
    if as_json:
        found = {name: part.rows for name, part in sections.items()}
        return streams.result({**found, "runs": runs} if chosen == "all" else found[chosen])
    for place, (name, part) in enumerate(sections.items()):
        if place:
            streams.say()
        if name == "recipes":
            show_recipes(part.rows, with_title=len(sections) > 1)
            continue
        show_table(name if len(sections) > 1 else "", part.columns, map(part.shown, part.rows))
    if chosen == "all":
        streams.say()
        run_table.show_runs(runs, title="runs")
    return None


def section(name: str, registry: Registry | None) -> Section:
    """Return one table's content."""
    if name == "recipes":
        return Section(("recipe", "about"), recipe_rows(), lambda row: (row["name"], row["about"]))
    if name == "ablations":
        return Section(
            ("ablation", "of", "question"),
            ablation_rows(),
            lambda row: (row["name"], row["base"], row["question"]),
        )
    assert registry is not None
    if name == "models":
        return Section(
            ("model", "from", "about"),
            model_rows(registry),
            lambda row: (row["name"], row["from"], row["about"]),
        )
    return Section(
        (name, "from", "about"),
        component_rows(name, registry),
        lambda row: (row["use"], row["from"], row["about"]),
    )


def show_recipes(rows: Sequence[Mapping[str, Any]], *, with_title: bool) -> None:
    """Print the recipes under what they train on, a line each, cut where a terminal ends."""
    if with_title:
        streams.say("recipes\n")
    names = max((len(row["name"]) for row in rows), default=0)
    room = streams.console("stdout").width - names - 4
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(row)
    for place, (title, members) in enumerate(sorted(groups.items(), key=order)):
        if place:
            streams.say()
        streams.say(f"{title}:")
        for row in members:
            about = textwrap.shorten(row["about"], max(room, 20), placeholder=" …")
            streams.say(f"  {row['name']:<{names}}  {about}")


def order(group: tuple[str, Any]) -> tuple[int, str]:
    """Return where a group stands: in the order of ``GROUPS``, others before the tutorials."""
    known = [*GROUPS.values()]
    return (known.index(group[0]) if group[0] in known else len(known) - 1, group[0])


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


def model_rows(registry: Registry) -> list[dict[str, Any]]:
    """Return every trained model that is shipped, or downloaded when it is used."""
    return [
        {
            "name": f"{PREFIX}{name}",
            "from": plugin.origin,
            "about": model.about,
            "sha256": model.sha256,
            "urls": list(model.urls),
        }
        for name, (model, plugin) in registry.models().items()
    ]


def recipe_rows() -> list[dict[str, Any]]:
    """Return every shipped recipe."""
    from ganzoo.recipe.source import shipped

    return [
        {
            "name": name,
            "about": sentence(header),
            "group": group_of(path),
            "expect": expected(header),
            "file": str(path),
        }
        for name, path in shipped().items()
        for header in [header_of(path)]
    ]


def ablation_rows() -> list[dict[str, Any]]:
    """Return every shipped ablation."""
    from ganzoo.recipe.source import shipped_ablations

    found = []
    for name, path in shipped_ablations().items():
        plan = tomllib.loads(path.read_text(encoding="utf-8"))
        found.append({
            "name": name,
            "question": plan["question"],
            "base": plan["base"],
            "variants": [*plan.get("variants", {})],
            "axes": [*plan.get("axes", {})],
            "seeds": plan["seeds"],
            "file": str(path),
        })  # fmt: skip
    return found


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


def sentence(header: list[str]) -> str:
    """Return the first sentence of a recipe's header."""
    return re.split(r"(?<=[.?]) ", " ".join(header), maxsplit=1)[0]


def group_of(path: Path) -> str:
    """Return the group of a shipped recipe: what it trains on, or 'tutorials'."""
    from ganzoo.recipe.source import MAX_EXTENDS

    if path.stem.startswith(TUTORIAL):
        return GROUPS[TUTORIAL]
    use, parent = "", path.stem
    for _ in range(MAX_EXTENDS + 1):
        use, parent = trains_on(path.with_name(f"{parent}.toml"))
        if use or not parent:
            break
    return GROUPS.get(use, use or "other")


@cache
def trains_on(path: Path) -> tuple[str, str]:
    """Return the dataset that a shipped recipe's file names, and the recipe it extends; or ''."""
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    return str(found.get("dataset", {}).get("use", "")), Path(found.get("extends", "")).stem


def expected(header: list[str]) -> str:
    """Return what follows 'Expect:' in a recipe's header."""
    _, _, after = " ".join(header).partition("Expect: ")
    return after
