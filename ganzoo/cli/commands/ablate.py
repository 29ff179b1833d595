"""``ganzoo ablate``: run every cell of an ablation file, or what is missing of it, and compare."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli import output as streams
from ganzoo.cli.app import Command, Settings
from ganzoo.cli.options import (
    PluginFiles,
    data_path_option,
    json_option,
    out_option,
    place_options,
    plugin_options,
)
from ganzoo.common.errors import GanzooError, MachineError
from ganzoo.common.files import beside
from ganzoo.training.place import Place

if TYPE_CHECKING:
    from ganzoo.ablate.driver import Engine, Estimate
    from ganzoo.ablate.experiment import Experiment
    from ganzoo.ablate.grid import Grid
    from ganzoo.ablate.worker import Setup
    from ganzoo.cli.board import Board
    from ganzoo.recipe.model import Recipe

FAILED = 3


@click.command(
    cls=Command,
    examples=[
        "ganzoo ablate transpose_vs_upsample --dry-run   show the plan and the time",
        "ganzoo ablate transpose_vs_upsample --jobs 2    run it again to continue",
        "ganzoo ablate FILE --on ray --device cuda --processes 2    two GPUs a cell",
    ],
)
@click.argument("file", metavar="FILE")
@plugin_options
@place_options
@data_path_option
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Cells to run in parallel.")
@click.option(
    "--processes",
    type=click.IntRange(1, 4096),
    metavar="N",
    help="Processes that share each cell, on one GPU each.",
)
@click.option("--on", metavar="WHERE", help="'ray', or ray://host:port, with --out shared.")
@click.option("--dry-run", is_flag=True, help="Show the cells and estimated time; do not train.")
@click.option("--retry-failed", is_flag=True, help="Run failed cells again.")
@out_option
@click.option(
    "--name", metavar="NAME", help="Name of the ablation's folder; default: the file's name."
)
@json_option
@click.pass_obj
def ablate(
    settings: Settings,
    *,
    file: str,
    plugin_files: PluginFiles,
    place: Place,
    data_path: str | None,
    jobs: int | None,
    processes: int | None,
    on: str | None,
    dry_run: bool,
    retry_failed: bool,
    out: Path,
    name: str | None,
    as_json: bool,
) -> int:
    """Run the remaining cells of an ablation, then compare."""
    # Every cell is a run in its own folder, named by the hash of its recipe: so the same command
    # goes on with what is missing, and a further seed or variant adds cells.

    from ganzoo.cli.hints import refuse_recipe

    refuse_recipe(file)
    from ganzoo.ablate.plan import find_ablation, read_plan

    find_ablation(file)  # before what takes long to import
    from ganzoo.ablate import driver, experiment
    from ganzoo.ablate.grid import expand
    from ganzoo.cli.board import Board
    from ganzoo.cli.progress import Display
    from ganzoo.runs.plugin_files import keep_plugin_files
    from ganzoo.training.signals import stopping

    registry = plugin_files.load(streams.warn)
    written = read_plan(file, registry)
    place = replace(place, runs=str(out))
    grid = expand(written, registry, partial(named_weights, out=out))
    grid = replace(grid, name=experiment.usable_name(name or grid.name))
    if data_path is not None:
        place = replace(place, data_path=str(Path(data_path).expanduser().absolute()))
    setup = replace(setup_of(grid, plugin_files, place), processes=processes or 1)
    refuse_uneven(grid, setup.processes)
    engine = engine_of(on, jobs, place, setup.processes)
    with Display(settings.verbosity) as display, stopping(lambda: None) as stop:
        board = Board(display, grid)
        try:
            if dry_run:
                known = existing(out / grid.name)
                board.trying()
                estimate = driver.try_variants(grid, setup, engine, lambda: bool(stop.signal))
                show_cells(grid, known, estimate, engine.jobs, as_json=as_json)
                return stop.exit_code
            unstarted = [variant.name for variant in grid.variants]
            if experiment.is_experiment(out / grid.name):
                unstarted = untried(grid, out / grid.name)
            if unstarted:
                board.trying()
                estimate = driver.try_variants(
                    grid, setup, engine, lambda: bool(stop.signal), unstarted
                )
                if stop.signal:
                    return stop.exit_code
                board.estimated(estimate, engine.jobs)
            try:
                with experiment.claimed(out / grid.name):
                    text = written.path.read_text(encoding="utf-8")
                    made = experiment.create(out, grid, sys.argv, text)
                    for cell in experiment.missing(made):
                        keep_plugin_files(made.run(cell.id), registry)
                    with board.watching(made, engine.jobs, retry_failed=retry_failed):
                        driver.conduct(made, setup, engine, board, stop, retry_failed=retry_failed)
            except MachineError as error:
                # A finished experiment is compared wherever it lies.
                whole = existing(out / grid.name)
                wanted = {cell.id for cell in grid.cells}
                if whole is None or experiment.missing(whole):
                    raise
                if not wanted <= {cell["id"] for cell in whole.cells}:
                    raise
                display.warn(str(error))
                made = whole
        finally:
            engine.close()
    return concluded(made, board, stop.exit_code, as_json=as_json)


def named_weights(recipe: Recipe, *, out: Path) -> Recipe:
    """Return a recipe that names the content of the weights it begins with: all cells the same."""
    if recipe.init is None:
        return recipe
    from ganzoo.runs.given import pinned

    return pinned(recipe, out, streams.warn)


def setup_of(grid: Grid, plugin_files: PluginFiles, place: Place) -> Setup:
    """Return what the workers need to know beside their cells."""
    from ganzoo.ablate.worker import Setup
    from ganzoo.common.data_root import data_root

    return Setup(
        tuple(str(file.expanduser().absolute()) for file in plugin_files.plugin),
        tuple(plugin_files.block),
        # A worker cannot have processes of its own.
        replace(place, data=str(data_root(place.data)), threads=place.threads or 1, workers=0),
        grid.plan.budget.minutes,
        tuple(grid.plan.metrics),
    )


def refuse_uneven(grid: Grid, processes: int) -> None:
    """Do nothing where the processes of a cell can share its batches.

    Raises:
        GanzooError: naming the variants whose parts do not come out even.
    """
    uneven = []
    for variant in grid.variants:
        parts = variant.recipe.train.shards * variant.recipe.step.accumulate
        if parts % processes:
            uneven.append(f"variant '{variant.name}': its batches have {parts} parts")
    if uneven:
        raise GanzooError(
            "\n".join(
                [
                    *uneven,
                    f"{processes} processes cannot share them evenly; set train.shards = "
                    f"{processes} in the ablation's [recipe.train], or a multiple of it",
                ]
            )
        )


def engine_of(on: str | None, jobs: int | None, place: Place, processes: int = 1) -> Engine:
    """Return where the cells run.

    Args:
        processes: those of a cell; each has a GPU of its own, where there are GPUs.

    Raises:
        GanzooError: for a place that is not known, or one that has fewer GPUs.
    """
    if on is None:
        from ganzoo.ablate.local import Local, visible_gpus

        gpus = visible_gpus() if place.device in {"auto", "cuda"} else []
        if gpus and len(gpus) < processes:
            raise GanzooError(
                f"{processes} processes of a cell need a GPU each, and {len(gpus)} are visible; "
                "use fewer --processes, or --device cpu"
            )
        starts = range(0, len(gpus) - processes + 1, processes)
        shared = [",".join(gpus[start : start + processes]) for start in starts]
        return Local(jobs or max(1, len(shared)), shared)
    if on == "ray" or on.startswith("ray://"):
        from ganzoo.ablate.on_ray import OnRay

        return OnRay(
            "" if on == "ray" else on,
            jobs,
            cpus_per_cell=(place.threads or 1) * processes,
            gpus_per_cell=processes * (place.device == "cuda"),
        )
    raise GanzooError(f"--on {on!r}: choose 'ray' or the address of a cluster, ray://host:10001")


def existing(path: Path) -> Experiment | None:
    """Return the experiment that is there already, or None."""
    from ganzoo.ablate import experiment

    return experiment.open_experiment(path) if experiment.is_experiment(path) else None


def untried(grid: Grid, path: Path) -> list[str]:
    """Return the variants of which no cell was ever begun; only those are tried first."""
    from ganzoo.ablate.experiment import folder_of
    from ganzoo.runs.folder import RunDir

    begun = {
        cell.variant
        for cell in grid.cells
        if RunDir(path / folder_of(cell.id)).read_json("status.json")
    }
    return [variant.name for variant in grid.variants if variant.name not in begun]


def show_cells(
    grid: Grid, known: Experiment | None, estimate: Estimate, jobs: int, *, as_json: bool
) -> None:
    """Print the cells, their number and the expected time."""
    from ganzoo.ablate.experiment import needs_work
    from ganzoo.ablate.sentences import changes_of
    from ganzoo.cli.output import show_table
    from ganzoo.common.text import duration
    from ganzoo.runs.record import Record, State

    states = {
        cell.id: Record(known.run(cell.id)).state() if known else State("waiting")
        for cell in grid.cells
    }
    missing = [cell for cell in grid.cells if needs_work(states[cell.id], retry_failed=False)]
    seconds = estimate.total((cell.variant for cell in missing), jobs)
    if as_json:
        streams.result(
            {
                "name": grid.name,
                "cells": [
                    {
                        "id": cell.id,
                        "variant": cell.variant,
                        "seed": cell.seed,
                        "status": states[cell.id].status,
                        "seconds": estimate.seconds.get(cell.variant),
                    }
                    for cell in grid.cells
                ],
                "missing": len(missing),
                "jobs": jobs,
                "seconds": seconds,
            }
        )
        return
    rows: list[list[Any]] = []
    for variant in grid.variants:
        own = [cell for cell in grid.cells if cell.variant == variant.name]
        done = sum(states[cell.id].is_final for cell in own)
        each = estimate.seconds.get(variant.name)
        rows.append(
            [
                variant.name,
                f"{len(own)} cells, {done} there",
                "–" if each is None else duration(each),
                changes_of(variant.changes),
            ]
        )
    show_table(grid.name, ("variant", "cells", "time each", "differs from the baseline in"), rows)
    streams.say(
        f"{len(grid.variants)} variants × {len(grid.plan.seeds)} seeds = {len(grid.cells)} cells "
        f"of {grid.plan.budget}; {len(missing)} to run, about {duration(seconds)} with "
        f"{jobs} at a time (without measuring)"
    )


def concluded(made: Experiment, board: Board, exit_code: int, *, as_json: bool) -> int:
    """Write and print the tables; return the exit code."""
    from ganzoo.ablate import driver
    from ganzoo.ablate.page import write_page
    from ganzoo.cli.comparison import show_comparison

    result = driver.compared(made)
    show_comparison(result, as_json=as_json)
    with beside(board.display.warn):
        driver.write_tables(made, result)
    with beside(board.display.warn):
        board.note(f"page: {write_page(made, result)}")
    failed = sum(run.state.status == "failed" for run in result.runs)
    unfinished = sum(not run.state.is_final for run in result.runs)
    for folder in made.stale():
        board.note(f"stale: '{made.path / folder}' is a cell that is no longer in the file")
    if failed:
        board.note(f"{failed} of {len(result.runs)} cells failed; run them again: --retry-failed")
    if unfinished:
        board.note(
            f"{unfinished} of {len(result.runs)} cells are unfinished; run the same command to "
            "continue"
        )
    return exit_code or (FAILED if failed or unfinished else 0)
