"""The comparison itself: for each metric a row per variant, differences, interaction, words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ganzoo.ablate import statistics
from ganzoo.ablate.observations import At, Observation, refuse_unlike
from ganzoo.ablate.statistics import Difference, Summary


@dataclass(frozen=True)
class Row:
    """One variant on one metric.

    Attributes:
        scores: of the finished runs, by seed; of runs with equal seeds the last.
        cells: runs that there are or shall be.
        failed: runs that ended without a score; they never enter a mean, so there is none then.
        waiting: runs that are still to be made.
        collapsed: runs whose samples became alike; their scores count like any other.
        difference: to the baseline; None for the baseline itself.
    """

    variant: str
    scores: dict[int, float]
    cells: int
    failed: int
    waiting: int
    collapsed: int
    summary: Summary
    difference: Difference | None

    @property
    def is_partial(self) -> bool:
        """Whether some of its runs have no score, so that what is shown covers the others only."""
        return self.summary.n < self.cells


@dataclass(frozen=True)
class Effect:
    """A level's marginal difference, or the interaction of two levels."""

    name: str
    difference: Difference
    means: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """One metric at one point of the runs: 'last' or 'best'."""

    metric: str
    at: At
    lower_is_better: bool | None
    ratio: bool
    floor: float | None
    provenance: Mapping[str, Any]
    rows: tuple[Row, ...]
    margins: tuple[Effect, ...] = ()
    interactions: tuple[Effect, ...] = ()

    @property
    def comparisons(self) -> int:
        """How many variants are tested against the baseline."""
        return sum(1 for row in self.rows if row.difference is not None)


def compare(
    runs: Sequence[Observation],
    variants: Sequence[str],
    metric: str,
    at: At,
    *,
    axes: Mapping[str, Sequence[str]] | None = None,
    levels: Mapping[str, Mapping[str, str]] | None = None,
) -> Comparison:
    """Compare ``variants``, the first of which is the baseline.

    Args:
        axes: the levels of each axis, and ``levels`` those of each variant; with two axes there
            are marginal means and interactions.

    Raises:
        GanzooError: if the scores were measured differently.
    """
    refuse_unlike(runs, metric)
    known = [run.scores[metric] for run in runs if metric in run.scores]
    lower = next((score.lower_is_better for score in known), None)
    log = bool(known) and known[0].positive
    by_variant = {name: [run for run in runs if run.variant == name] for name in variants}
    scores = {name: _scores(own, metric, at) for name, own in by_variant.items()}
    log = log and all(value > 0 for own in scores.values() for value in own.values())
    rows = [
        _row(name, by_variant[name], scores, variants[0], log=log, lower=lower) for name in variants
    ]
    margins, interactions = _factors(scores, axes or {}, levels or {}, log=log)
    if any(row.is_partial for row in rows):
        margins, interactions = _untested(margins), _untested(interactions)
    return Comparison(
        metric,
        at,
        lower,
        log,
        next((score.floor for score in known), None),
        known[0].provenance if known else {},
        tuple(_corrected(rows)),
        margins,
        interactions,
    )


def _untested(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    """Take the tests away where cells are missing: what is left flatters whoever failed."""
    return tuple(
        replace(effect, difference=replace(effect.difference, p=None)) for effect in effects
    )


def has(runs: Sequence[Observation], metric: str, at: At) -> bool:
    """Return whether any run has that score."""
    return any(run.value(metric, at) is not None for run in runs)


def _scores(runs: Sequence[Observation], metric: str, at: At) -> dict[int, float]:
    found = {}
    for run in runs:
        value = run.value(metric, at)
        if value is not None:
            found[run.seed] = value
    return dict(sorted(found.items()))


def _row(
    name: str,
    runs: Sequence[Observation],
    scores: Mapping[str, dict[int, float]],
    baseline: str,
    *,
    log: bool,
    lower: bool | None,
) -> Row:
    own = scores[name]
    difference = None
    if name != baseline:
        if set(own) & set(scores[baseline]) or not own or not scores[baseline]:
            difference = statistics.paired(
                own, scores[baseline], log=log, lower_is_better=lower is not False
            )
            if lower is None:
                difference = replace(difference, wins=None)
        else:
            difference = statistics.unpaired(own.values(), scores[baseline].values(), log=log)
    waiting = sum(not run.state.is_final for run in runs)
    return Row(
        name,
        own,
        len(runs),
        sum(run.state.is_final for run in runs) - len(own),
        waiting,
        sum(run.collapsed_at is not None for run in runs),
        statistics.summarise(own.values()),
        difference,
    )


def _corrected(rows: Sequence[Row]) -> list[Row]:
    """Add Holm's correction; a variant without all its cells is not tested, but counts."""
    baseline = rows[0]
    tested = []
    for row in rows:
        if row.difference is not None and (row.is_partial or baseline.is_partial):
            row = replace(row, difference=replace(row.difference, p=None))
        tested.append(row)
    family = [row.difference for row in tested if row.difference is not None]
    corrected = iter(statistics.holm([1.0 if each.p is None else each.p for each in family]))
    found = []
    for row in tested:
        if row.difference is not None:
            value = next(corrected)
            if row.difference.p is not None:
                row = replace(row, difference=replace(row.difference, holm=value))
        found.append(row)
    return found


def _factors(
    scores: Mapping[str, dict[int, float]],
    axes: Mapping[str, Sequence[str]],
    levels: Mapping[str, Mapping[str, str]],
    *,
    log: bool,
) -> tuple[tuple[Effect, ...], tuple[Effect, ...]]:
    """Return marginal effects and interactions of a full grid of two axes."""
    if len(axes) != 2:
        return (), ()
    (first, its), (second, others) = axes.items()
    if len(its) < 2 or len(others) < 2:
        return (), ()
    at = {(own[first], own[second]): scores[name] for name, own in levels.items()}
    if len(at) != len(its) * len(others):
        return (), ()
    margins = []
    for axis, names, opposite in ((first, its, others), (second, others, its)):
        pooled = {
            level: statistics.marginal(
                [at[(level, other) if axis == first else (other, level)] for other in opposite],
                log=log,
            )
            for level in names
        }
        for level in names[1:]:
            means = (statistics.summarise(pooled[each].values()).mean for each in (names[0], level))
            margins.append(
                Effect(
                    f"{axis}: {level} against {names[0]}",
                    statistics.paired(pooled[level], pooled[names[0]], log=log),
                    tuple(means),
                )
            )
    interactions = [
        Effect(
            f"{first} {a} × {second} {b}",
            statistics.interaction(
                [[at[its[0], others[0]], at[its[0], b]], [at[a, others[0]], at[a, b]]], log=log
            ),
        )
        for a in its[1:]
        for b in others[1:]
    ]
    return tuple(margins), tuple(interactions)
