"""``ganzoo bench``: how quickly a recipe trains here, and how soon its images are good."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
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
    processes_option,
    recipe_names,
    set_option,
)
from ganzoo.common import ranks
from ganzoo.common.errors import GanzooError
from ganzoo.training.place import Place

if TYPE_CHECKING:
    from ganzoo.training.loop import Training

TURNS = 5
"""Turns whose median is told."""
WARM_UP = 5
"""Steps before the clock runs: memory is had, algorithms are chosen, a graph is captured."""


@click.command(
    cls=Command,
    examples=[
        "ganzoo bench dcgan_mnist --threads 1 --seconds 20",
        "ganzoo bench dcgan_mnist --processes 2 --set train.shards=2",
        "ganzoo bench fast_mnist cdcgan_mnist --quality 8 --file quality.html",
    ],
)
@click.argument(
    "recipes", metavar="RECIPE...", nargs=-1, required=True, shell_complete=recipe_names
)
@set_option
@click.option(
    "--seconds",
    default=10.0,
    type=click.FloatRange(1, 3600),
    metavar="N",
    help="Seconds to measure.",
)
@click.option(
    "--quality",
    type=click.FloatRange(0, min_open=True),
    metavar="FRECHET",
    help="Time training until images reach this frechet.",
)
@click.option(
    "--every",
    default=100,
    type=click.IntRange(1),
    metavar="N",
    help="With --quality: steps between evaluations.",
)
@click.option(
    "--samples",
    default=2000,
    type=click.IntRange(2, 10**7),
    metavar="N",
    help="With --quality: fakes per evaluation.",
)
@click.option(
    "--seeds",
    default=3,
    type=click.IntRange(1, 1000),
    metavar="N",
    help="With --quality: seeds of each recipe, paired.",
)
@click.option(
    "--file",
    type=NewFile(path_type=Path),
    metavar="PATH",
    help="With --quality: write a page, table and curve.",
)
@plugin_options
@place_options
@precision_options
@processes_option
@json_option
@click.pass_obj
def bench(
    settings: Settings,
    *,
    recipes: tuple[str, ...],
    overrides: tuple[str, ...],
    seconds: float,
    quality: float | None,
    every: int,
    samples: int,
    seeds: int,
    file: Path | None,
    plugin_files: PluginFiles,
    place: Place,
    as_json: bool,
) -> int:
    """Measure the training speed of RECIPE; write nothing.

    With --quality, trains each RECIPE with each seed until its images reach that frechet, and
    compares the training time, without measuring.
    """
    if quality is not None:
        if ranks.count() > 1:
            raise GanzooError("--quality times recipes in one process; leave --processes out")
        found = timed(
            settings, recipes, overrides, plugin_files, place,
            quality, every=every, samples=samples, seeds=seeds,
        )  # fmt: skip
        if file is not None:
            from ganzoo.ablate.quality import page
            from ganzoo.common.files import FILE, publish

            publish(file, page(found), FILE)
        if as_json:
            streams.result(found)
        else:
            shown(found)
            if file is not None:
                streams.say(str(file))
        return 0
    only = [f"--{name}" for name in ("every", "samples", "seeds", "file") if given(name)]
    if only:
        raise GanzooError(f"{', '.join(only)}: only with --quality FRECHET")
    if len(recipes) > 1:
        raise GanzooError(
            f"{len(recipes)} recipes: only with --quality FRECHET. Speed is measured one by one"
        )
    from ganzoo.cli.hints import recipe_file
    from ganzoo.cli.launch import Launch
    from ganzoo.cli.progress import Display
    from ganzoo.recipe.check import load_recipe

    path = recipe_file(recipes[0])
    # Only steps and their log: what is done now and then would fall into one turn or another.
    rare = ("samples.every=0", "checkpoint.every=0", "metric=[]", "train.steps=100000000")
    with Display(settings.verbosity) as display, tempfile.TemporaryDirectory() as folder:
        registry = plugin_files.load(display.warn)
        checked = load_recipe(path, registry, (*overrides, *rare))

        from ganzoo.training.beside import Beside
        from ganzoo.training.loop import Training, at_the_start, new_run
        from ganzoo.training.state import Silent
        from ganzoo.training.together import in_company

        built = Launch(registry, place, display, None, as_json).build(checked)
        with in_company(built.group):
            run = new_run(built, Path(folder), "bench")
            kind = Training if built.group.is_first else Beside
            found = measured(at_the_start(built, registry, run, Silent(), kind=kind), seconds)
    if not built.group.is_first:
        return 0  # the first process tells
    if as_json:
        streams.result(found)
    else:
        several = built.group.count > 1
        streams.say(
            f"{found['images_per_second']:,.0f} images/s"
            f"{f' in {built.group.count} processes' if several else ''}, "
            f"{found['step_ms']:.2f} ms a step at "
            f"train.batch_size = {checked.train.batch_size} (varied by {found['spread']:.0%} "
            f"over {TURNS} rounds), {found['peak_memory_mib']:,.0f} MiB"
            f"{' each' if several else ''}"
        )
    return 0


def given(name: str) -> bool:
    """Return whether an option was written on the command line."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def timed(
    settings: Settings,
    recipes: Sequence[str],
    overrides: tuple[str, ...],
    plugin_files: PluginFiles,
    place: Place,
    target: float,
    *,
    every: int,
    samples: int,
    seeds: int,
) -> dict[str, Any]:
    """Return how long each recipe trains until it is as good as asked."""
    from ganzoo.cli.hints import recipe_file
    from ganzoo.cli.progress import Display
    from ganzoo.recipe.check import load_recipe

    with Display(settings.verbosity) as display:
        paths = [recipe_file(name) for name in recipes]
        names = [path.stem for path in paths]
        if len(set(names)) < len(names):
            raise GanzooError(f"give every recipe once: {', '.join(names)}")
        registry = plugin_files.load(display.warn)
        checked = {path.stem: load_recipe(path, registry, overrides) for path in paths}

        from ganzoo.ablate.quality import race

        return race(
            checked,
            target,
            registry,
            place,
            display,
            every=every,
            samples=samples,
            seeds=seeds,
            tell=display.note,
        )


def shown(found: Mapping[str, Any]) -> None:
    """Print the table, and why a seed did not get there."""
    from ganzoo.ablate.quality import COLUMNS, rows

    title = f"until frechet {found['target']:g}, {found['counted']} time of training"
    streams.show_table(title, COLUMNS, rows(found))
    for name, own in found["recipes"].items():
        for each in own["tries"]:
            if each["why_not"]:
                streams.tell(f"{name}, seed {each['seed']}: {each['why_not']}")


def measured(training: Training, seconds: float) -> dict[str, Any]:
    """Make steps for about so many seconds; return what one costs.

    Of several processes the first one has the clock; all make as many steps as it says.
    """
    import torch

    from ganzoo.training.machine import peak_memory_mib, wait_for

    machine, group = training.parts.machine, training.parts.group
    for _ in range(WARM_UP - 1):
        training.advance()
    wait_for(machine.device)
    step_s = _timed(training, 1)
    turns = []
    for _ in range(TURNS):
        if group.count > 1:
            steps = group.say(max(1, round(seconds / TURNS / step_s)))
            step_s = _timed(training, steps)
            turns.append(step_s)
            continue
        started, steps = time.perf_counter(), 0
        while time.perf_counter() - started < seconds / TURNS:
            training.advance()
            steps += 1
        wait_for(machine.device)
        turns.append((time.perf_counter() - started) / steps)
    step_s = statistics.median(turns)
    memory = torch.tensor([peak_memory_mib(machine.device)], dtype=torch.float64)
    return {
        "images_per_second": training.parts.images_per_step() / step_s,
        "step_ms": 1e3 * step_s,
        "spread": (max(turns) - min(turns)) / step_s,
        "peak_memory_mib": float(group.gather(memory).max()),
        "processes": group.count,
        "machine": machine.state(),
    }


def _timed(training: Training, steps: int) -> float:
    """Make so many steps; return the seconds of one."""
    from ganzoo.training.machine import wait_for

    started = time.perf_counter()
    for _ in range(steps):
        training.advance()
    wait_for(training.parts.machine.device)
    return (time.perf_counter() - started) / steps
