"""``ganzoo run``: train what a recipe describes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo.cli.app import Command, Settings
from ganzoo.cli.options import (
    Parts,
    Place,
    json_option,
    minutes_option,
    out_option,
    place_options,
    plugin_options,
    recipe_names,
    set_option,
)

if TYPE_CHECKING:
    from ganzoo.cli.display import Display
    from ganzoo.recipe import Recipe
    from ganzoo.registry import Registry
    from ganzoo.rundir import RunDir


@click.command(
    cls=Command,
    examples=[
        "ganzoo run dcgan_digits",
        "ganzoo run mine.toml --set train.epochs=3 --plugin my_loss.py --dry-run",
    ],
)
@click.argument("recipe", metavar="RECIPE", shell_complete=recipe_names)
@set_option
@click.option("--seed", type=click.IntRange(0), metavar="N", help="The same as --set train.seed=N.")
@plugin_options
@place_options
@minutes_option
@out_option
@click.option("--name", metavar="NAME", help="Name of the run's folder, else the recipe's.")
@click.option("--dry-run", is_flag=True, help="Build and show the networks; write nothing.")
@click.option("--resume", is_flag=True, help="Go on with the newest run of this recipe, if any.")
@json_option
@click.pass_obj
def run(
    settings: Settings,
    *,
    recipe: str,
    overrides: tuple[str, ...],
    seed: int | None,
    parts: Parts,
    place: Place,
    minutes: float | None,
    out: Path,
    name: str | None,
    dry_run: bool,
    resume: bool,
    as_json: bool,
) -> int:
    """Train what RECIPE, a file or the name of a shipped recipe, describes."""
    from ganzoo.cli.display import Display
    from ganzoo.recipe import load
    from ganzoo.source import find_recipe

    if seed is not None:
        overrides = (*overrides, f"train.seed={seed}")
    path = find_recipe(recipe)
    with Display(settings.verbosity) as display:
        registry = parts.load(display.warn)
        checked = load(path, registry, overrides)
        run_name = name or path.stem
        if resume and (found := newest(checked, out, run_name)):
            return go_on(found, checked, registry, place, display, minutes, as_json)
        return begin(
            checked, registry, place, display, out, run_name, minutes, dry_run, as_json
        )


def begin(
    recipe: Recipe,
    registry: Registry,
    place: Place,
    display: Display,
    out: Path,
    name: str,
    minutes: float | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Build, and train in a new folder unless it is a dry run."""
    from ganzoo.cli.launch import build, keep_plugin_files, train
    from ganzoo.train import new_run

    built = build(recipe, registry, place, display)
    if dry_run:
        from ganzoo.cli.networks import show_networks

        show_networks(built, as_json=as_json)
        return 0
    folder = new_run(built, out, name)
    keep_plugin_files(folder, registry)
    return train(
        built, registry, folder, display, resume=False, minutes=minutes, as_json=as_json
    )


def newest(recipe: Recipe, out: Path, name: str) -> RunDir | None:
    """Return the newest run of exactly this recipe under this name."""
    from ganzoo.recipe import freeze
    from ganzoo.rundir import list_runs

    frozen = freeze(recipe)
    for found in reversed(list_runs(out)):
        if found.path.parent.name == name and found.recipe.read_text() == frozen:
            return found
    return None


def go_on(
    found: RunDir,
    recipe: Recipe,
    registry: Registry,
    place: Place,
    display: Display,
    minutes: float | None,
    as_json: bool,
) -> int:
    """Go on with a run that was found; one that is done is left alone."""
    from ganzoo.cli.resume import continued

    return continued(found, recipe, registry, place, display, minutes, as_json)
