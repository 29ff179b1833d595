"""A comparison as JSON, CSV, Markdown and plain columns; to the byte the same for the same scores.

No time, date, host or folder is in any of them: those are in the page and in the run folders.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ganzoo.ablate import sentences as words
from ganzoo.ablate.comparison import Comparison, Effect, Row
from ganzoo.ablate.observations import Observation
from ganzoo.common.errors import printable
from ganzoo.common.files import to_json

COLUMNS = (
    "variant",
    "last",
    "best",
    "Δ last",
    "95 % interval",
    "p",
    "Holm",
    "d_z",
    "wins",
    "finished",
)
FORMULA = "=+-@\t\r"
"""What a cell of a CSV must not begin with, or a spreadsheet computes it."""


@dataclass(frozen=True)
class Result:
    """All comparisons of an experiment, or of any runs.

    Attributes:
        comparisons: the primary metric first, each at 'last' and then, where known, at 'best'.
        changes: per variant what its recipe has that the baseline's has not.
        surroundings: what differs between the runs beside their recipes.
    """

    name: str
    question: str
    baseline: str
    seeds: tuple[int, ...]
    primary: str
    comparisons: tuple[Comparison, ...]
    runs: tuple[Observation, ...]
    changes: Mapping[str, Sequence[Sequence[Any]]] = field(default_factory=dict)
    surroundings: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    """Metrics that no run has."""


def by_metric(result: Result) -> list[tuple[Comparison, Comparison | None]]:
    """Return for each metric the comparison of the last scores, and of the best where known."""
    best = {each.metric: each for each in result.comparisons if each.at == "best"}
    return [(each, best.get(each.metric)) for each in result.comparisons if each.at == "last"]


def title(result: Result, comparison: Comparison) -> str:
    """Return the line above a table."""
    network = comparison.provenance.get("network")
    parts = [
        f"{comparison.metric}{f' in {network} features' if network else ''}",
        f"{len(result.seeds)} seed{'s' * (len(result.seeds) != 1)}",
        f"baseline {result.baseline}",
        words.direction(comparison),
    ]
    return " · ".join(parts)


def rows(comparison: Comparison, best: Comparison | None) -> list[tuple[str, ...]]:
    """Return a table's rows as text, with what COLUMNS names."""
    found: list[tuple[str, ...]] = []
    for index, row in enumerate(comparison.rows):
        difference = row.difference
        effect = None if difference is None else difference.effect
        found.append(
            (
                row.variant,
                words.mean(row),
                words.mean(best.rows[index]) if best else "–",
                words.change(difference),
                words.interval(difference),
                words.probability(difference.p if difference else None),
                words.probability(difference.holm if difference else None),
                f"{effect:+.2f}" if effect is not None else "–",
                words.wins(difference),
                words.fate(row),
            )
        )
    return found


def effects(comparison: Comparison) -> list[str]:
    """Return marginal means and interactions as lines."""
    return [
        f"{kind} {effect.name}: {words.change(effect.difference)} "
        f"{words.interval(effect.difference)}, p = {words.probability(effect.difference.p)}"
        for kind, found in (
            ("margin", comparison.margins),
            ("interaction", comparison.interactions),
        )
        for effect in found
    ]


def notes(
    result: Result,
    comparison: Comparison,
    best: Comparison | None = None,
    *,
    with_verdicts: bool = True,
) -> list[str]:
    """Return the sentences under a table."""
    return [
        *(words.verdicts(comparison) if with_verdicts else []),
        *words.limits(comparison, result.primary),
        *([words.FLATTERY] if best is not None else []),
    ]


def as_json(result: Result) -> str:
    """Return everything as one strict JSON object."""
    return to_json(content(result), indent=2) + "\n"


def content(result: Result) -> dict[str, Any]:
    """Return everything as tables and lists."""
    return {
        "name": result.name,
        "question": result.question,
        "baseline": result.baseline,
        "seeds": list(result.seeds),
        "comparisons": [
            {
                "metric": comparison.metric,
                "at": comparison.at,
                "lower_is_better": comparison.lower_is_better,
                "ratio": comparison.ratio,
                "floor": comparison.floor,
                "provenance": dict(comparison.provenance),
                "rows": [_row(row) for row in comparison.rows],
                "margins": [_effect(effect) for effect in comparison.margins],
                "interactions": [_effect(effect) for effect in comparison.interactions],
                "notes": notes(result, comparison),
            }
            for comparison in result.comparisons
        ],
        "changes": {name: [list(each) for each in found] for name, found in result.changes.items()},
        "cells": [_cell(run) for run in result.runs],
        "troubles": words.troubles(result.runs),
        "missing": list(result.missing),
    }


def _row(row: Row) -> dict[str, Any]:
    summary = row.summary
    whole = not row.is_partial
    return {
        "variant": row.variant,
        "cells": row.cells,
        "failed": row.failed,
        "unfinished": row.waiting,
        "collapsed": row.collapsed,
        "mean": summary.mean if whole else None,
        "sd": summary.sd if whole else None,
        "of_finished": asdict(summary),
        "scores": {str(seed): value for seed, value in row.scores.items()},
        "difference": asdict(row.difference) if row.difference else None,
    }


def _effect(effect: Effect) -> dict[str, Any]:
    return {
        "name": effect.name,
        "means": list(effect.means),
        "difference": asdict(effect.difference),
    }


def _cell(run: Observation) -> dict[str, Any]:
    return {
        "variant": run.variant,
        "seed": run.seed,
        "status": run.state.status,
        "step": run.state.step,
        "reason": run.state.reason if run.state.status == "failed" else "",
        "collapsed_at": run.collapsed_at,
        "scores": {
            name: {"last": score.last, "best": score.best, "best_step": score.best_step}
            for name, score in sorted(run.scores.items())
        },
    }


def as_csv(result: Result) -> str:
    """Return one line per cell: what other tools want for their own plots and tests."""
    metrics = list(dict.fromkeys(comparison.metric for comparison in result.comparisons))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    scored = [f"{metric} {at}" for metric in metrics for at in ("last", "best")]
    writer.writerow(["variant", "seed", "status", "step", "collapsed at", *map(_inert, scored)])
    for run in result.runs:
        values = [run.value(metric, at) for metric in metrics for at in ("last", "best")]
        writer.writerow(
            [
                _inert(run.variant),
                run.seed,
                run.state.status,
                run.state.step,
                "" if run.collapsed_at is None else run.collapsed_at,
                *("" if value is None else repr(value) for value in values),
            ]
        )
    return file.getvalue()


def _inert(text: str) -> str:
    clean = printable(text, 300).replace("\n", " ")
    return f"'{clean}" if clean[:1] in FORMULA else clean


def as_markdown(result: Result) -> str:
    """Return all tables with their sentences, for an issue or a report."""
    parts = [f"# {_plain(result.name)}", ""]
    if result.question:
        parts += [_plain(result.question), ""]
    for comparison, best in by_metric(result):
        parts += [f"**{_plain(title(result, comparison))}**", ""]
        parts += [_line(COLUMNS), "|" + " --- |" * len(COLUMNS)]
        parts += [_line(row) for row in rows(comparison, best)]
        below = [*effects(comparison), *notes(result, comparison, best)]
        parts += ["", *(f"- {_plain(text)}" for text in below), ""]
    found = words.troubles(result.runs)
    if found:
        parts += ["Runs with trouble:", "", *(f"- {_plain(text)}" for text in found), ""]
    return "\n".join(parts)


def _line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(_plain(text) for text in texts) + " |"


def _plain(text: str) -> str:
    """Return ``text`` so that Markdown shows it as it is."""
    clean = printable(text, 500).replace("\n", " ")
    for character in "\\`*_[]<>|":
        clean = clean.replace(character, f"\\{character}")
    return clean
