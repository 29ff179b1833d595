"""What finished runs scored, read from their folders. No torch."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ganzoo.ablate.experiment import Experiment
from ganzoo.common.errors import GanzooError
from ganzoo.measure.provenance import comparable
from ganzoo.runs.folder import RunDir
from ganzoo.runs.record import Record, State, table, whole

At = Literal["last", "best"]
SURROUNDINGS = (
    "ganzoo", "python", "torch", "device", "device_name", "precision", "threads", "deterministic",
    "platform",
)  # fmt: skip
"""What of environment.json changes the bits of a result or the speed of a run."""


@dataclass(frozen=True)
class Score:
    """One metric of one run; ``best`` is None where only the last value is known."""

    last: float | None
    best: float | None = None
    best_step: int | None = None
    floor: float | None = None
    lower_is_better: bool | None = None
    """None for terms of the log, where neither side is better."""
    positive: bool = False
    """Whether it is skewed and positive, so that ratios are compared."""
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Observation:
    """One run as a comparison sees it.

    Attributes:
        collapsed_at: the step at which its samples were found to be alike, or None.
    """

    variant: str
    seed: int
    run: RunDir
    state: State
    scores: Mapping[str, Score]
    collapsed_at: int | None = None
    seconds: float | None = None
    images_per_second: float | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)

    def value(self, metric: str, at: At) -> float | None:
        """Return the finite score of a finished run, or None."""
        score = self.scores.get(metric)
        found = None if score is None else getattr(score, at)
        return found if isinstance(found, (int, float)) and math.isfinite(found) else None


def observe(run: RunDir, variant: str, seed: int, minutes: float | None = None) -> Observation:
    """Read one run's folder."""
    record = Record(run)
    state, result, environment = record.state(minutes), record.result, record.environment
    collapsed = [
        step
        for event in record.health
        if event.get("event") == "collapsed" and (step := whole(event.get("step"))) is not None
    ]
    finished = state.status == "done"
    return Observation(
        variant,
        seed,
        run,
        state,
        scores_of(result) if finished else {},
        min(collapsed) if collapsed else None,
        result.get("seconds") if finished else None,
        result.get("images_per_second") if finished else None,
        {name: environment.get(name) for name in SURROUNDINGS if name in environment},
    )


def scores_of(result: Mapping[str, Any]) -> dict[str, Score]:
    """Return the scores in a result.json: its metrics, and the log's terms at the end."""
    found = {name: Score(value) for name, value in table(result.get("final")).items()}
    for name, entry in table(result.get("metrics")).items():
        entry = table(entry)
        last, best, floor = (table(entry.get(part)) for part in ("last", "best", "floor"))
        found[name] = Score(
            last.get("value"),
            best.get("value"),
            best.get("step"),
            floor.get("value"),
            entry.get("lower_is_better"),
            bool(entry.get("positive")),
            table(entry.get("provenance")),
        )
    return found


def observations(experiment: Experiment) -> list[Observation]:
    """Read every cell of an experiment."""
    minutes = experiment.plan["budget"].get("minutes")
    return [
        observe(experiment.run(cell["id"]), cell["variant"], cell["seed"], minutes)
        for cell in experiment.cells
    ]


def refuse_unlike(runs: Sequence[Observation], metric: str) -> None:
    """Compare only what was measured alike. Whether a run averages its weights is its own affair.

    Raises:
        GanzooError: naming two runs and the fields in which their measuring differs.
    """
    measured = [run for run in runs if metric in run.scores]
    for other in measured[1:]:
        first, second = measured[0].scores[metric], other.scores[metric]
        try:
            comparable(first.provenance, second.provenance, apart={"ema"})
        except GanzooError as error:
            raise GanzooError(
                f"'{metric}' of '{measured[0].run.path}' and '{other.run.path}': {error}"
            ) from None


def surroundings(runs: Iterable[Observation]) -> dict[str, list[Any]]:
    """Return what of the machines and versions differs between runs, with all values found."""
    known = [run.environment for run in runs if run.environment]
    differing = {}
    for name in SURROUNDINGS:
        values = list(
            dict.fromkeys(str(each[name]) for each in known if each.get(name) is not None)
        )
        if len(values) > 1:
            differing[name] = values
    return differing


def tables_of(run: RunDir) -> dict[str, Any]:
    """Return a frozen recipe's tables as they are written, without loading any plugin.

    Raises:
        GanzooError: if it cannot be read.
    """
    try:
        return tomllib.loads(run.recipe.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise GanzooError(f"'{run.recipe}' cannot be read: {error}") from None
