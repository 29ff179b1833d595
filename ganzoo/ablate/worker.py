"""What a worker does, wherever it runs: try a recipe, or run or resume a cell in its folder.

torch is imported with the first task; a worker that stays alive pays for that once.
"""

from __future__ import annotations

import functools
import os
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo import session
from ganzoo.common import ranks
from ganzoo.common.errors import GanzooError, MachineError
from ganzoo.common.memory import is_out_of_memory
from ganzoo.recipe.check import load_recipe
from ganzoo.runs.folder import RunDir, checkpoints
from ganzoo.runs.frozen import frozen_recipe
from ganzoo.runs.record import OUT_OF_TIME, Record, real
from ganzoo.training.place import Place
from ganzoo.training.state import Silent

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry
    from ganzoo.recipe.model import Recipe
    from ganzoo.training.parts import Parts

PROBE_SECONDS = 2.0
PROBE_STEPS = 20


@dataclass(frozen=True)
class Setup:
    """What belongs to the machine and not to a cell; the same for all cells."""

    plugins: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    place: Place = field(default_factory=lambda: Place("cpu", threads=1))
    minutes: float | None = None
    metrics: tuple[str, ...] = ()
    """Scores that every cell must be able to take."""
    processes: int = 1
    """Processes that make each cell together; see ``company``."""


@dataclass(frozen=True)
class Task:
    """One piece of work: a frozen recipe to try, or a folder to run or resume."""

    setup: Setup
    folder: str = ""
    frozen: str = ""
    device: str = ""
    """Where to run instead of the place's device: each local worker has its own GPU, or GPUs."""


@dataclass(frozen=True)
class Answer:
    """What became of a task: nothing that is not in the folder, apart from a probe's figures."""

    error: str = ""
    exit_code: int = 0
    seconds_per_step: float = 0.0
    seconds_to_build: float = 0.0
    steps: int = 0
    died: str = ""
    """How a process of the cell ended that told nothing, where there are several."""


def perform(task: Task) -> Answer:
    """Do ``task``; a failure is an answer, so that the worker goes on."""
    try:
        return _run(task) if task.folder else _probe(task)
    except KeyboardInterrupt:
        return Answer("interrupted", 130)
    except GanzooError as error:
        return Answer(str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001
        return Answer(f"{type(error).__name__}: {error}", 4 if is_out_of_memory(error) else 1)


def _run(task: Task) -> Answer:
    run = RunDir(Path(task.folder))
    minutes = task.setup.minutes
    before = Record(run).state(minutes)
    if before.status == "done":
        return Answer()
    try:
        registry = _registry(task.setup.plugins, task.setup.block)
        begins = not checkpoints(run.checkpoints)
        parts = _built(frozen_recipe(run, registry), task, registry, begins=begins)
    except Exception as error:
        if not is_first():
            raise
        with run.locked():  # or a cell that another driver trains would be called failed
            run.set_status("failed", before.step, f"not started: {error}")
        raise
    left = None
    if minutes is not None:
        left = max(minutes - _minutes_spent(run), 1e-3)
    begun = time.monotonic()
    try:
        outcome = session.train(
            parts, run, registry, Silent(), resume=True, minutes=left, asked="soon"
        )
    finally:
        if minutes is not None and is_first():
            _spend(run, time.monotonic() - begun)
    if is_first() and outcome.status != "done" and outcome.reason.endswith(OUT_OF_TIME):
        run.write_json("result.json", outcome.result)
    return Answer(exit_code=outcome.exit_code)


def _probe(task: Task) -> Answer:
    """Build what a recipe names, run the first-step guards, and time some steps; keep nothing."""
    import torch  # noqa: F401  before the clock runs

    registry = _registry(task.setup.plugins, task.setup.block)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.toml"
        path.write_text(task.frozen, encoding="utf-8")
        recipe = load_recipe(path, registry)
    begun = time.monotonic()
    parts = _built(recipe, task, registry, is_tried=True)
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


def _check_scores(parts: Parts, task: Task, registry: Registry) -> None:
    """Raise GanzooError where a score that will be compared cannot be taken."""
    from ganzoo.measure.watch import watch

    unmeasured = watch(parts, registry, Silent().warn, asked="soon").unmeasured
    missing = {unmeasured[name]: name for name in task.setup.metrics if name in unmeasured}
    if missing:
        lines = [f"'{name}' cannot be measured: {reason}" for reason, name in missing.items()]
        raise GanzooError("\n".join(lines))


def _built(
    recipe: Recipe, task: Task, registry: Registry, *, is_tried: bool = False, begins: bool = True
) -> Parts:
    """Build the parts. An ablation never trains on another dataset than it names."""
    # A recipe is tried on the first of several GPUs.
    first = task.device.partition(",")[0]
    place = replace(task.setup.place, device=first or task.setup.place.device)
    return session.build(
        recipe,
        registry,
        place,
        Silent(),
        allow_fallback=False,
        is_tried=is_tried,
        begins=begins,
    )


@functools.cache
def _registry(plugins: tuple[str, ...], block: tuple[str, ...]) -> Any:
    from ganzoo.plugin import registry

    return registry.load_plugins([Path(file) for file in plugins], block)


def is_first() -> bool:
    """Return whether this process writes, where several make a cell."""
    return ranks.rank() == 0


SPENT = "minutes.json"


def _minutes_spent(run: RunDir) -> float:
    return _seconds_spent(run) / 60


def _seconds_spent(run: RunDir) -> float:
    """Return how long the processes before this one trained a cell.

    Raises:
        MachineError: if the file that tells it says something else.
    """
    found = run.read_json(SPENT).get("seconds", 0.0)
    seconds = real(found)
    if seconds is None or seconds < 0:
        raise MachineError(
            f"'{run.path / SPENT}' should say how many seconds the cell has trained, not "
            f"{str(found)[:40]!r}; correct it, or remove it to give the cell its full time again"
        )
    return seconds


def _spend(run: RunDir, seconds: float) -> None:
    before = _seconds_spent(run)
    run.write_json(SPENT, {"seconds": before + seconds, "pid": os.getpid()})
