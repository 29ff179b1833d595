"""``ganzoo bench``: how quickly a recipe trains here."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli import output as streams
from ganzoo.cli.app import Command, Settings
from ganzoo.cli.options import (
    PluginFiles,
    json_option,
    place_options,
    plugin_options,
    precision_options,
    recipe_names,
    set_option,
)
from ganzoo.training.place import Place

if TYPE_CHECKING:
    from ganzoo.training.loop import Training

TURNS = 5
"""Turns whose median is told."""
WARM_UP = 5
"""Steps before the clock runs: memory is had, algorithms are chosen, a graph is captured."""


@click.command(cls=Command, examples=["ganzoo bench dcgan_mnist --threads 1 --seconds 20"])
@click.argument("recipe", metavar="RECIPE", shell_complete=recipe_names)
@set_option
@click.option(
    "--seconds",
    default=10.0,
    type=click.FloatRange(1, 3600),
    metavar="N",
    help="Seconds to measure.",
)
@plugin_options
@place_options
@precision_options
@json_option
@click.pass_obj
def bench(
    settings: Settings,
    *,
    recipe: str,
    overrides: tuple[str, ...],
    seconds: float,
    plugin_files: PluginFiles,
    place: Place,
    as_json: bool,
) -> int:
    """Measure the training speed of RECIPE; write nothing."""
    from ganzoo.cli.hints import recipe_file

    path = recipe_file(recipe)
    from ganzoo.cli.launch import Launch
    from ganzoo.cli.progress import Display
    from ganzoo.recipe.check import load_recipe

    # Only steps and their log: what is done now and then would fall into one turn or another.
    rare = ("samples.every=0", "checkpoint.every=0", "metric=[]", "train.steps=100000000")
    with Display(settings.verbosity) as display, tempfile.TemporaryDirectory() as folder:
        registry = plugin_files.load(display.warn)
        checked = load_recipe(path, registry, (*overrides, *rare))
        from ganzoo.training.loop import at_the_start, new_run
        from ganzoo.training.state import Silent

        built = Launch(registry, place, display, None, as_json).build(checked)
        run = new_run(built, Path(folder), "bench")
        found = measured(at_the_start(built, registry, run, Silent()), seconds)
    if as_json:
        streams.result(found)
    else:
        streams.say(
            f"{found['images_per_second']:,.0f} images/s, {found['step_ms']:.2f} ms a step at "
            f"train.batch_size = {checked.train.batch_size} (varied by {found['spread']:.0%} "
            f"over {TURNS} rounds), {found['peak_memory_mib']:,.0f} MiB"
        )
    return 0


def measured(training: Training, seconds: float) -> dict[str, Any]:
    """Make steps for about so many seconds; return what one costs."""
    from ganzoo.training.machine import peak_memory_mib, wait_for

    machine = training.parts.machine
    for _ in range(WARM_UP):
        training.advance()
    wait_for(machine.device)
    turns = []
    for _ in range(TURNS):
        started, steps = time.perf_counter(), 0
        while time.perf_counter() - started < seconds / TURNS:
            training.advance()
            steps += 1
        wait_for(machine.device)
        turns.append((time.perf_counter() - started) / steps)
    step_s = statistics.median(turns)
    return {
        "images_per_second": training.parts.images_per_step() / step_s,
        "step_ms": 1e3 * step_s,
        "spread": (max(turns) - min(turns)) / step_s,
        "peak_memory_mib": peak_memory_mib(machine.device),
        "machine": machine.state(),
    }
