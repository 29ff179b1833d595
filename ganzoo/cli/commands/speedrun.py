"""``ganzoo speedrun``: how soon a recipe's images are as good as a track asks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli import output as streams
from ganzoo.cli.app import Command, Settings
from ganzoo.cli.options import (
    NewFile,
    PluginFiles,
    json_option,
    place_options,
    plugin_options,
    precision_options,
    recipe_names,
    set_option,
)
from ganzoo.common.errors import GanzooError
from ganzoo.training.place import Place

if TYPE_CHECKING:
    from ganzoo.ablate.speedrun import Track
    from ganzoo.plugin.registry import Registry
    from ganzoo.recipe.model import Recipe

MOST = 16 << 20
"""Bytes of a speedrun's file."""


@click.command(
    cls=Command,
    examples=[
        "ganzoo speedrun",
        "ganzoo speedrun digits --threads 1",
        "ganzoo speedrun digits --recipe mine.toml --plugin my_loss.py --beside",
        "ganzoo speedrun speedrun-digits.json",
    ],
)
@click.argument("track", metavar="[TRACK]", required=False)
@click.option(
    "--recipe",
    metavar="RECIPE",
    shell_complete=recipe_names,
    help="Recipe to train; default: the track's own.",
)
@set_option
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    default=3,
    metavar="N",
    help="Number of seeds, from the recipe's own on.",
)
@click.option("--beside", is_flag=True, help="Also run the record's recipe here, paired by seed.")
@click.option("--file", type=NewFile(path_type=Path), metavar="PATH", help="Where to write.")
@plugin_options
@place_options
@precision_options
@json_option
@click.pass_obj
def speedrun(
    settings: Settings,
    *,
    track: str | None,
    recipe: str | None,
    overrides: tuple[str, ...],
    seeds: int,
    beside: bool,
    file: Path | None,
    plugin_files: PluginFiles,
    place: Place,
    as_json: bool,
) -> int:
    """Time how long a recipe trains until it is as good as TRACK asks.

    Without TRACK, lists the tracks. A track fixes data, features, target and how often it is
    measured; the recipe is yours. Writes a JSON file; pass such a file as TRACK to run it again.
    """
    from ganzoo.ablate import speedrun as rules
    from ganzoo.cli.progress import Display

    if track is None:
        listed(as_json)
        return 0
    with Display(settings.verbosity) as display:
        registry = plugin_files.load(display.warn)
        if track.endswith(".json"):
            if recipe or overrides:
                raise GanzooError(
                    f"'{track}' says which recipe it is of; leave --recipe, --set out"
                )
            chosen, name, checked, numbers = repeated(Path(track), registry)
        else:
            chosen = rules.track_named(track)
            name, checked = named(recipe or chosen.recipe, overrides, registry)
            numbers = [checked.train.seed + each for each in range(seeds)]
        entrants = {name: rules.entered(chosen, checked, registry)}
        rival = chosen.record["recipe"] if chosen.record else chosen.recipe
        if beside and rival == name:
            raise GanzooError(f"--beside runs the record's recipe, and {name!r} is that recipe")
        if beside:
            entrants[rival] = rules.entered(chosen, named(rival, (), registry)[1], registry)
        tries, found = rules.all_tried(
            chosen, entrants, numbers, registry, place, repeat(display), tell=display.note
        )
    told = rules.report(
        chosen, name, entrants[name], tries[name], found, tries[rival] if beside else ()
    )
    path = file or Path(f"speedrun-{chosen.name}.json")
    from ganzoo.common.files import FILE, publish

    publish(path, json.dumps(told, indent=2) + "\n", FILE)
    if as_json:
        streams.result({"file": str(path), **told})
    else:
        shown(chosen, told)
        streams.say(str(path))
    return 0


def named(name: str, overrides: tuple[str, ...], registry: Registry) -> tuple[str, Recipe]:
    """Return a recipe by file or name, and what it is called."""
    from ganzoo.recipe.check import load_recipe
    from ganzoo.recipe.source import find_recipe

    path = find_recipe(name)
    return path.stem, load_recipe(path, registry, overrides)


def repeated(path: Path, registry: Registry) -> tuple[Any, str, Recipe, list[int]]:
    """Return track, recipe and seeds of a file that a speedrun wrote.

    Raises:
        GanzooError: if it is none, or its track has changed since.
    """
    import tempfile

    from ganzoo.ablate import speedrun as rules
    from ganzoo.recipe.check import load_recipe

    try:
        if path.stat().st_size > MOST:
            raise ValueError("it is too large")
        told = json.loads(path.read_text(encoding="utf-8"))
        version, name, text = told["speedrun"], str(told["recipe"]), str(told["frozen"])
        seeds = [int(seed) for seed in told["seeds"]]
        fixed, track = dict(told["track"]), rules.track_named(str(told["track"]["name"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GanzooError(f"'{path}' is not a file that a speedrun wrote: {error}") from error
    if version != rules.VERSION or fixed != track.fixed() or not seeds:
        raise GanzooError(
            f"'{path}' is of a track {track.name!r} that this ganzoo defines differently"
        )
    with tempfile.TemporaryDirectory() as folder:
        frozen = Path(folder) / "recipe.toml"
        frozen.write_text(text, encoding="utf-8")
        return track, name, load_recipe(frozen, registry), seeds


def listed(as_json: bool) -> None:
    """Show the tracks and their records."""
    from dataclasses import asdict

    from ganzoo.ablate.speedrun import tracks

    found = tracks().values()
    if as_json:
        streams.result([asdict(track) for track in found])
        return
    streams.show_table(
        "",
        ("track", "about", "record"),
        [(track.name, track.about, record_line(track.record)) for track in found],
    )


def record_line(record: Mapping[str, Any] | None) -> str:
    """Return a record in words."""
    if record is None:
        return "none yet"
    return (
        f"{record['seconds']:.1f} s ({record['low']:.1f} to {record['high']:.1f}, "
        f"{record['seeds']} seeds) by {record['recipe']} on {record['machine']['device_name']}"
    )


def shown(track: Track, told: Mapping[str, Any]) -> None:
    """Print a result beside the record and the plain loop."""
    rows = [
        (
            str(each["seed"]),
            "-" if each["seconds"] is None else f"{each['seconds']:.1f}",
            f"{each['steps']:,}",
            "-" if each["frechet"] is None else f"{each['frechet']:.2f}",
            "-" if each["memorised"] is None else f"{each['memorised']:.3f}",
            each["why_not"],
        )
        for each in told["tries"]
    ]
    streams.show_table(
        f"{told['recipe']} to frechet {track.target:g}, {told['counted']} seconds",
        ("seed", "seconds", "steps", "frechet", "memorised", "why not"),
        rows,
    )
    if told["seconds"] is not None:
        between = "" if told["low"] is None else f" ({told['low']:.1f} to {told['high']:.1f})"
        streams.tell(f"geometric mean {told['seconds']:.1f} s{between}")
    streams.tell(f"record: {record_line(track.record)}")
    if track.plain:
        streams.tell(f"the loop of pytorch/examples: {track.plain}")
    if beside := told.get("beside"):
        ratio = "no pairs" if beside["ratio"] is None else f"{beside['ratio']:.2f} times the time"
        between = "" if beside["low"] is None else f" ({beside['low']:.2f} to {beside['high']:.2f})"
        streams.tell(f"of {beside['recipe']} here: {ratio}{between}")
    if told["is_record"]:
        streams.tell("this is a record; docs/speedrun.md says how to enter it")
    for reason in told["why_no_record"]:
        streams.tell(f"no record: {reason}")
