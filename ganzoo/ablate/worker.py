"""What a worker does, wherever it runs: try a recipe, or run or resume a cell in its folder.

torch is imported with the first task; a worker that stays alive pays for that once.
"""

from __future__ import annotations

import functools
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo.common.errors import GanzooError
from ganzoo.runs.folder import RunDir
from ganzoo.runs.record import OUT_OF_TIME, state_of

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry
    from ganzoo.recipe.model import Recipe
    from ganzoo.training.machine import Machine
    from ganzoo.training.parts import Assembly

PROBE_SECONDS = 2.0
PROBE_STEPS = 20


@dataclass(frozen=True)
class Setup:
    """What belongs to the machine and not to a cell; the same for all cells."""

    plugins: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    data: str | None = None
    offline: bool = False
    device: str = "cpu"
    threads: int = 1
    minutes: float | None = None
    metrics: tuple[str, ...] = ()
    """Scores that every cell must be able to take."""


@dataclass(frozen=True)
class Task:
    """One piece of work: a frozen recipe to try, or a folder to run or resume."""

    setup: Setup
    folder: str = ""
    frozen: str = ""
    device: str = ""
    """Where to run instead of ``setup.device``: each local worker has its own GPU."""


@dataclass(frozen=True)
class Answer:
    """What became of a task: nothing that is not in the folder, apart from a probe's figures."""

    error: str = ""
    exit_code: int = 0
    seconds_per_step: float = 0.0
    seconds_to_build: float = 0.0
    steps: int = 0


def perform(task: Task) -> Answer:
    """Do ``task``; a failure is an answer, so that the worker goes on."""
    try:
        return _run(task) if task.folder else _probe(task)
    except KeyboardInterrupt:
        return Answer("interrupted", 130)
    except GanzooError as error:
        return Answer(str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001
        return Answer(f"{type(error).__name__}: {error}", 1)


def _run(task: Task) -> Answer:
    run = RunDir(Path(task.folder))
    minutes = task.setup.minutes
    before = state_of(run, minutes)
    if before.status == "done":
        return Answer()
    try:
        registry, machine = _surroundings(task)
        from ganzoo.recipe.check import load

        parts = _assembled(load(run.recipe, registry), task, registry, machine)
    except Exception as error:
        run.set_status("failed", before.step, f"not started: {error}")
        raise
    from ganzoo.report.run_page import leave_page
    from ganzoo.runs import checkpoint
    from ganzoo.training.loop import start
    from ganzoo.training.state import Silent

    resume = bool(checkpoint.newest(run.checkpoints))
    if not resume:
        _emptied(run)
    left = None
    if minutes is not None:
        left = max(minutes - _minutes_spent(run), 1e-3)
    begun = time.monotonic()
    try:
        outcome = start(parts, registry, run, Silent(), resume=resume, minutes=left)
    finally:
        if minutes is not None:
            _spend(run, time.monotonic() - begun)
        leave_page(run, Silent().warn)
    if outcome.status != "done" and outcome.reason.endswith(OUT_OF_TIME):
        run.write_json("result.json", outcome.result)
    return Answer(exit_code=outcome.exit_code)


def _probe(task: Task) -> Answer:
    """Build what a recipe names, run the first-step guards, and time some steps; keep nothing."""
    registry, machine = _surroundings(task)
    from ganzoo.recipe.check import load
    from ganzoo.training.guards import try_out
    from ganzoo.training.state import Silent

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.toml"
        path.write_text(task.frozen)
        recipe = load(path, registry)
    begun = time.monotonic()
    parts = _assembled(recipe, task, registry, machine)
    try_out(parts, Silent())
    _check_scores(parts, task, registry)
    built = time.monotonic() - begun
    parts.step(0, parts.feed, observe=False)
    begun = time.monotonic()
    step = 1
    while step <= PROBE_STEPS and time.monotonic() - begun < PROBE_SECONDS:
        parts.step(step, parts.feed, observe=False)
        step += 1
    seconds = (time.monotonic() - begun) / (step - 1)
    return Answer(seconds_per_step=seconds, seconds_to_build=built, steps=parts.steps)


def _check_scores(parts: Assembly, task: Task, registry: Registry) -> None:
    """Raise GanzooError where a score that will be compared cannot be taken."""
    from ganzoo.measure.watch import watch
    from ganzoo.training.state import Silent

    unmeasured = watch(parts, registry, Silent().warn).unmeasured
    missing = {unmeasured[name]: name for name in task.setup.metrics if name in unmeasured}
    if missing:
        lines = [f"'{name}' cannot be measured: {reason}" for reason, name in missing.items()]
        raise GanzooError("\n".join(lines))


def _assembled(recipe: Recipe, task: Task, registry: Registry, machine: Machine) -> Assembly:
    """Build the parts. An ablation never trains on another data set than it names."""
    from ganzoo.common.data_root import DataRoot, data_root
    from ganzoo.training.parts import assemble
    from ganzoo.training.state import Silent

    root = DataRoot(data_root(task.setup.data), not task.setup.offline)
    return assemble(recipe, registry, root, machine, warn=Silent().warn, allow_fallback=False)


def _surroundings(task: Task) -> tuple[Registry, Machine]:
    from ganzoo.training.machine import prepare

    setup = task.setup
    machine, _ = prepare(task.device or setup.device, threads=setup.threads)
    return _registry(setup.plugins, setup.block), machine


@functools.cache
def _registry(plugins: tuple[str, ...], block: tuple[str, ...]) -> Any:
    from ganzoo.plugin import registry

    return registry.load([Path(file) for file in plugins], block)


def _emptied(run: RunDir) -> None:
    """Take away what an attempt left that came to no checkpoint."""
    run.cut_log(0)
    for sheet in run.samples.glob("*.png"):
        sheet.unlink()


SPENT = "minutes.json"


def _minutes_spent(run: RunDir) -> float:
    return float(run.read_json(SPENT).get("seconds", 0.0)) / 60


def _spend(run: RunDir, seconds: float) -> None:
    before = float(run.read_json(SPENT).get("seconds", 0.0))
    run.write_json(SPENT, {"seconds": before + seconds, "pid": os.getpid()})
