"""What a comparison says, and what it cannot say, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ganzoo.ablate.comparison import Comparison, Row
from ganzoo.ablate.observations import Observation
from ganzoo.ablate.statistics import Difference, seeds_needed
from ganzoo.common.errors import printable
from ganzoo.common.text import as_written, significant

LEVEL = 0.05


def probability(value: float | None) -> str:
    """Return '.031' or '<.001'."""
    if value is None:
        return "–"
    if value < 0.001:
        return "<.001"
    return "1.00" if value >= 0.9995 else f"{value:.3f}".lstrip("0")


def change(difference: Difference | None) -> str:
    """Return '×0.78' or '-1.2'."""
    if difference is None or difference.value is None:
        return "–"
    if difference.ratio:
        return f"×{significant(difference.value, 3)}"
    return f"{'+' if difference.value > 0 else ''}{significant(difference.value, 3)}"


def interval(difference: Difference | None) -> str:
    """Return '[0.70, 0.87]'."""
    if difference is None or difference.low is None:
        return "–"
    return f"[{significant(difference.low, 3)}, {significant(difference.high, 3)}]"


def mean(row: Row) -> str:
    """Return '12.8 ± 0.8'; in brackets, with the count, where runs have no score."""
    text = significant(row.summary.mean)
    if row.summary.sd is not None:
        text += f" ± {significant(row.summary.sd, 2)}"
    return f"({text} of {row.summary.n}/{row.cells})" if row.is_partial else text


def fate(row: Row) -> str:
    """Return '6/6', '5/6, 1 failed'."""
    parts = [f"{row.cells - row.failed - row.waiting}/{row.cells}"]
    for count, word in (
        (row.failed, "failed"),
        (row.waiting, "unfinished"),
        (row.collapsed, "collapsed"),
    ):
        if count:
            parts.append(f"{count} {word}")
    return ", ".join(parts)


def wins(difference: Difference | None) -> str:
    """Return '5/6'."""
    if difference is None or difference.wins is None:
        return "–"
    return f"{difference.wins}/{difference.n}"


def direction(comparison: Comparison) -> str:
    """Return which way is better."""
    return {True: "lower is better", False: "higher is better", None: "no direction is better"}[
        comparison.lower_is_better
    ]


def verdicts(comparison: Comparison) -> list[str]:
    """Return one sentence for each variant against the baseline."""
    baseline = comparison.rows[0]
    return [
        f"{row.variant}: {_verdict(row, baseline, comparison)}"
        for row in comparison.rows
        if row.difference is not None
    ]


def _verdict(row: Row, baseline: Row, comparison: Comparison) -> str:
    difference = row.difference
    assert difference is not None
    for side, whose in ((row, "its"), (baseline, f"{baseline.variant}'s")):
        if side.failed:
            return f"no result ({side.failed} of {whose} {side.cells} runs failed)"
        if side.waiting:
            finished = side.cells - side.waiting
            return f"no result yet ({finished} of {whose} {side.cells} runs finished)"
    if difference.value is None:
        return "nothing to compare"
    found = f"{comparison.metric} {change(difference)}"
    if difference.n == 1:
        return f"{found} with one seed: anecdotal"
    where = f"{found} {interval(difference)} against {baseline.variant}"
    against = _leaning(difference, comparison.lower_is_better)
    if difference.paired and difference.wins is not None:
        where += f", better with {difference.wins} of {difference.n} seeds"
    one = 1.0 if difference.ratio else 0.0
    low, high = difference.low, difference.high
    is_apart = low is not None and high is not None and not low <= one <= high
    if difference.holm is not None and difference.holm <= LEVEL:
        doubt = (
            "" if is_apart else " by the exact test, although the interval includes no difference"
        )
        return f"{against}{doubt}; {where} (p = {probability(difference.holm)})"
    too_few = (
        difference.smallest_p is not None and difference.smallest_p * comparison.comparisons > LEVEL
    )
    if is_apart and too_few:
        return (
            f"looks {against}, but this is not conclusive; {where} (p = "
            f"{probability(difference.holm)}, and {difference.n} seeds cannot give less than "
            f"{probability(min(1.0, (difference.smallest_p or 1) * comparison.comparisons))})"
        )
    if is_apart:
        return (
            f"looks {against}, but this is not conclusive; {where} "
            f"(p = {probability(difference.holm)})"
        )
    return f"no significant difference; {where} (p = {probability(difference.holm)})"


def _leaning(difference: Difference, lower_is_better: bool | None) -> str:
    one = 1.0 if difference.ratio else 0.0
    is_lower = (difference.value or 0.0) < one
    if lower_is_better is None:
        return "lower" if is_lower else "higher"
    return "better" if is_lower == lower_is_better else "worse"


def limits(comparison: Comparison, primary: str) -> list[str]:
    """Return what the reader must know to read the table, as sentences."""
    return list(_limits(comparison, primary))


def _limits(comparison: Comparison, primary: str) -> Iterator[str]:
    shown = [row.difference for row in comparison.rows if row.difference is not None]
    tested = [each for each in shown if each.p is not None] or shown
    pairs = [difference.n for difference in tested if difference.paired and difference.n]
    if pairs and max(pairs) == 1:
        yield "One seed is anecdotal: there is no interval and no test."
    elif pairs:
        n, needed = min(pairs), seeds_needed(comparison.comparisons)
        if n < needed:
            count = comparison.comparisons
            over = f" corrected for {count} comparisons" if count > 1 else ""
            least = probability(_least(tested, count))
            yield (
                f"n = {n}: the exact test{over} cannot go below p = {least}; "
                f"{needed} seeds are needed for p < .05."
            )
    if any(not difference.paired for difference in tested):
        yield "Unpaired: no seed is shared, so this is Welch's t-test, weaker than pairing."
    if comparison.ratio:
        yield (
            f"{comparison.metric} is skewed: it is compared on the logarithm, and shown as a ratio."
        )
    if comparison.floor is not None:
        yield (
            f"Real images against real ones score {significant(comparison.floor)} here: scores "
            "near it are indistinguishable."
        )
    if comparison.metric != primary:
        yield f"The primary metric is {primary}; this one is exploratory."
    if comparison.margins:
        yield (
            "Margins and interactions use only the seeds that all cells share; their p-values "
            "are not corrected, so they are exploratory."
        )
    if any(row.failed for row in comparison.rows):
        yield (
            "Brackets: failed runs have no score and are left out of the mean; figures in brackets "
            "cover only finished runs, are therefore optimistic, and are not tested."
        )


FLATTERY = (
    "Differences and tests use 'last', the score at the end of training. 'Best' picks the step "
    "of each run by this same score, which is optimistic, most of all for unstable variants."
)


def _least(tested: Sequence[Difference], comparisons: int) -> float:
    """Return the least corrected p that the exact test can give."""
    smallest = max((each.smallest_p for each in tested if each.smallest_p), default=1.0)
    return min(1.0, smallest * comparisons)


def differing(surroundings: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return a warning for each thing beside the recipe that differs between the runs."""
    return [
        f"More than the recipes differs: {name} is {' and '.join(map(str, values))}."
        for name, values in surroundings.items()
    ]


def troubles(runs: Sequence[Observation]) -> list[str]:
    """Return a line for each run that failed, collapsed or is unfinished."""
    lines = []
    for run in runs:
        who = f"{run.variant}, seed {run.seed}"
        if run.state.status == "failed":
            lines.append(f"✗ {who}: failed at step {run.state.step:,}: {run.state.reason}")
        elif not run.state.is_final:
            lines.append(f"… {who}: {run.state.status} at step {run.state.step:,}")
        if run.collapsed_at is not None:
            lines.append(f"✗ {who}: collapsed at step {run.collapsed_at:,} (its score counts)")
    return lines


def changes_of(changes: Sequence[Sequence[Any]], most: int = 100) -> str:
    """Return 'generator.use: transpose → upsample, …'; of more than ``most`` the first."""
    told = [
        f"{key}: {printable(as_written(was), 60)} → {printable(as_written(now), 60)}"
        for key, was, now in changes[:most]
    ]
    if len(changes) > most:
        told.append(f"and {len(changes) - most} more keys")
    return ", ".join(told) or "–"
