"""Conducting an experiment: try every variant, run what is missing, compare what is there."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ganzoo.ablate import comparison as table
from ganzoo.ablate.experiment import DIED, Experiment, missing, record_death
from ganzoo.ablate.formats import Result, as_csv, as_json, as_markdown
from ganzoo.ablate.grid import Grid
from ganzoo.ablate.observations import At, observations, surroundings
from ganzoo.ablate.worker import Answer, Setup, Task
from ganzoo.common.errors import GanzooError
from ganzoo.common.files import publish
from ganzoo.runs.asking import REASON, Asked, forget
from ganzoo.runs.folder import RunDir
from ganzoo.runs.record import State
from ganzoo.training.signals import Stop


class Engine(Protocol):
    """Has tasks performed somewhere."""

    jobs: int

    def run(
        self,
        tasks: Sequence[Task],
        finished: Callable[[Task, Answer], None],
        vanished: Callable[[Task, str], None],
        is_stopped: Callable[[], bool],
    ) -> None:
        """Do all tasks, or once stopped, save those in work and begin no other."""

    def close(self) -> None:
        """Let the workers go."""


class Watcher(Protocol):
    """Is told how an experiment gets on."""

    def note(self, text: str) -> None:
        """Something worth knowing happened."""

    def tick(self) -> None:
        """Time passes; called several times a second while cells run."""

    def cell_ended(self, cell: str, state: State, error: str) -> None:
        """A cell's worker is free again."""


@dataclass(frozen=True)
class Estimate:
    """What trying the variants told.

    Attributes:
        seconds: of training per cell, by variant; without measuring and drawing.
        died: variants whose trial took its worker with it, and how; their cells will be rows.
    """

    seconds: dict[str, float]
    died: dict[str, str]

    def total(self, cells: Iterable[str], jobs: int) -> float:
        """Return the expected seconds for cells of these variants on so many workers."""
        return math.fsum(self.seconds.get(variant, 0.0) for variant in cells) / max(1, jobs)


def try_variants(
    grid: Grid,
    setup: Setup,
    engine: Engine,
    is_stopped: Callable[[], bool],
    only: Iterable[str] | None = None,
) -> Estimate:
    """Build each variant once, run the first-step guards and time a few steps.

    Raises:
        GanzooError: with everything that is wrong with any of them; nothing was trained.
    """
    wanted = [variant.name for variant in grid.variants]
    if only is not None:
        chosen = set(only)
        wanted = [name for name in wanted if name in chosen]
    first = {cell.variant: cell.frozen for cell in reversed(grid.cells)}
    variant_of = {first[name]: name for name in wanted}
    found: dict[str, Answer] = {}

    def finished(task: Task, answer: Answer) -> None:
        found[variant_of[task.frozen]] = answer

    died: dict[str, str] = {}

    def vanished(task: Task, how: str) -> None:
        died[variant_of[task.frozen]] = how

    engine.run([Task(setup, frozen=text) for text in variant_of], finished, vanished, is_stopped)
    errors = {answer.error: name for name, answer in reversed(found.items()) if answer.error}
    if errors and not is_stopped():
        lines = [f"variant '{name}': {error}" for error, name in reversed(errors.items())]
        raise GanzooError("\n".join([*lines, "nothing was trained"]))
    budget = grid.plan.budget
    # The first variant tried paid for imports and for data that the others found in memory.
    build = min((answer.seconds_to_build for answer in found.values()), default=0.0)
    return Estimate(
        {
            name: build
            + min(answer.steps * answer.seconds_per_step, (budget.minutes or math.inf) * 60)
            for name, answer in found.items()
        },
        died,
    )


def conduct(
    experiment: Experiment,
    setup: Setup,
    engine: Engine,
    watcher: Watcher,
    stop: Stop,
    *,
    retry_failed: bool = False,
) -> None:
    """Run or resume every cell that is missing; one that dies does not stop the others."""
    cells = missing(experiment, retry_failed=retry_failed)
    folders = {str(experiment.run(cell.id).path.absolute()): cell.id for cell in cells}

    def finished(task: Task, answer: Answer) -> None:
        if answer.died:
            vanished(task, answer.died)
            return
        cell = folders[task.folder]
        watcher.cell_ended(cell, experiment.state(cell), answer.error)

    def vanished(task: Task, how: str) -> None:
        cell = folders[task.folder]
        record_death(experiment.run(cell), how)
        watcher.cell_ended(cell, experiment.state(cell), f"{DIED}{how}")

    own = RunDir(experiment.path)
    forget(own)
    asked = Asked(own)

    def is_stopped() -> bool:
        watcher.tick()
        if stop.signal is None and asked():
            stop.signal = signal.SIGTERM
            watcher.note(REASON)
        return stop.signal is not None

    engine.run([Task(setup, folder) for folder in folders], finished, vanished, is_stopped)
    forget(own)


def compared(experiment: Experiment) -> Result:
    """Compare what an experiment's folder holds.

    Raises:
        GanzooError: if scores were measured differently.
    """
    plan = experiment.plan
    runs = observations(experiment)
    variants = [variant["name"] for variant in plan["variants"]]
    levels = {variant["name"]: variant["levels"] for variant in plan["variants"]}
    points: tuple[At, ...] = ("last", "best")
    is_any_done = any(run.state.status == "done" for run in runs)
    comparisons = tuple(
        table.compare(runs, variants, metric, at, axes=plan["axes"], levels=levels)
        for metric in plan["metrics"]
        for at in points
        if at == "last" or table.has(runs, metric, at)
    )
    return Result(
        plan["name"],
        plan["question"],
        plan["baseline"],
        tuple(plan["seeds"]),
        plan["metrics"][0],
        comparisons,
        tuple(runs),
        {variant["name"]: variant["changes"] for variant in plan["variants"]},
        surroundings(runs),
        tuple(
            metric
            for metric in plan["metrics"]
            if is_any_done and not table.has(runs, metric, "last")
        ),
    )


def write_tables(experiment: Experiment, result: Result) -> None:
    """Write table.json, table.csv and table.md into the experiment's folder."""
    for name, text in (
        ("table.json", as_json(result)),
        ("table.csv", as_csv(result)),
        ("table.md", as_markdown(result)),
    ):
        publish(experiment.path / name, text)
