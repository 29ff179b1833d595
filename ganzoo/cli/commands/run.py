"""``ganzoo run``: train what a recipe describes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo.cli.app import Command, Settings
from ganzoo.cli.options import (
    PluginFiles,
    json_option,
    minutes_option,
    out_option,
    place_options,
    plugin_options,
    precision_options,
    processes_option,
    recipe_names,
    set_option,
    track_option,
)
from ganzoo.common import ranks
from ganzoo.common.errors import GanzooError
from ganzoo.training.place import Place

if TYPE_CHECKING:
    from ganzoo.cli.launch import Launch
    from ganzoo.recipe.model import Recipe
    from ganzoo.runs.folder import RunDir
    from ganzoo.training.parts import Parts


WEIGHTS = re.compile(rb'(\n\[init\]\n(?:.*\n)*?)sha256 = "[0-9a-f]{64}"\n')
"""In a frozen recipe, what the weights come to that it begins with."""


@click.command(
    cls=Command,
    examples=[
        "ganzoo run mine.toml --set train.epochs=3 --plugin my_loss.py --dry-run",
    ],
)
@click.argument("recipe", metavar="RECIPE", shell_complete=recipe_names)
@set_option
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Same as --set train.seed=N.")
@plugin_options
@place_options
@precision_options
@processes_option
@minutes_option
@out_option
@click.option(
    "--name", metavar="NAME", help="Name of the run's folder; default: the recipe's name."
)
@click.option("--dry-run", is_flag=True, help="Build and show the networks; write nothing.")
@click.option("--resume", is_flag=True, help="Resume the newest run of this recipe, if any.")
@track_option
@json_option
@click.pass_obj
def run(
    settings: Settings,
    *,
    recipe: str,
    overrides: tuple[str, ...],
    seed: int | None,
    plugin_files: PluginFiles,
    place: Place,
    minutes: float | None,
    out: Path,
    name: str | None,
    dry_run: bool,
    resume: bool,
    track: tuple[str, ...],
    as_json: bool,
) -> int:
    """Train RECIPE, a file or the name of a shipped recipe."""
    from ganzoo.cli.hints import recipe_file

    path = recipe_file(recipe)
    from ganzoo.cli.launch import Launch, go_on
    from ganzoo.cli.progress import Display
    from ganzoo.recipe.check import load_recipe
    from ganzoo.recipe.source import find_recipe

    if seed is not None:
        overrides = (*overrides, f"train.seed={seed}")
    place = replace(place, runs=str(out))
    with Display(settings.verbosity) as display:
        launch = Launch(plugin_files.load(display.warn), place, display, minutes, as_json, track)
        checked = load_recipe(path, launch.registry, overrides)
        if dry_run:
            return look(launch, checked)
        job = ranks.job()

        def begun_before(one: Recipe) -> RunDir | None:
            if resume and (found := newest(one, out)):
                return found
            if ranks.restarts() and (found := newest(one, out, job)):
                display.note("the processes were restarted: resuming their run")
                return found
            return None

        if found := begun_before(checked):
            return go_on(launch, found, checked)
        built = launch.build(checked, may_give_way=True)
        instead = built.recipe if built.stands_in else None
        if instead and (found := begun_before(instead)):
            return go_on(launch, found, instead)
        used = find_recipe(built.stands_in) if instead else path
        record = origin(used, overrides, launch, instead or checked)
        if instead:
            record["in_place_of"] = str(path)
        if job:
            record["job"] = job
        return begin(launch, built, out, name or used.stem, record)


def look(launch: Launch, recipe: Recipe) -> int:
    """Build everything and show the networks."""
    built = launch.build(recipe, may_give_way=True)
    from ganzoo.cli.network_table import show_networks

    show_networks(built, as_json=launch.as_json)
    return 0


def begin(launch: Launch, built: Parts, out: Path, name: str, record: dict[str, object]) -> int:
    """Train in a new folder; ``record`` says where the recipe comes from."""
    from ganzoo.session import begun

    run = begun(built, out, name, launch.registry)
    if built.group.is_first:
        run.write_json("origin.json", record)
    return launch.train(built, run, resume=False)


def origin(
    path: Path, overrides: tuple[str, ...], launch: Launch, recipe: Recipe
) -> dict[str, object]:
    """Return the recipe's file, what it builds on, and where it differs from that.

    It builds on what it extends, else, under ``--set``, on itself as it is written.
    """
    from ganzoo.recipe.check import load_recipe
    from ganzoo.recipe.model import differences
    from ganzoo.recipe.source import parent

    found: dict[str, object] = {"file": str(path), "set": list(overrides)}
    below = parent(path) or (path if overrides else None)
    if below is None:
        return found
    try:
        rows = differences(load_recipe(below, launch.registry), recipe)
    except GanzooError:
        return found  # a parent may be a fragment, no recipe by itself
    return {**found, "parent": below.stem, "differences": [list(row) for row in rows]}


def newest(recipe: Recipe, out: Path, job: str = "") -> RunDir | None:
    """Return the newest run of exactly this recipe.

    One that begins with weights is the same whichever content they had, unless that is given.

    Args:
        job: of those that this one of torchrun's began; see ``ranks.job``.
    """
    from ganzoo.recipe.model import freeze
    from ganzoo.runs.folder import list_runs

    frozen = freeze(recipe).encode()
    is_open = recipe.init is not None and recipe.init.sha256 is None

    def is_same(run: RunDir) -> bool:
        if job and run.read_json("origin.json").get("job") != job:
            return False
        found = content(run)
        return (WEIGHTS.sub(rb"\1", found) if is_open else found) == frozen

    return next((run for run in reversed(list_runs(out)) if is_same(run)), None)


def content(run: RunDir) -> bytes:
    """Return the bytes of a run's recipe; none where it cannot be read."""
    from ganzoo.recipe.toml import MAX_BYTES

    try:
        return run.read(run.recipe.name, most=MAX_BYTES)
    except (OSError, GanzooError):
        return b""
