"""The page of an experiment: question, tables, charts, sheets, cost, how to repeat it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ganzoo.ablate import formats as writing
from ganzoo.ablate import sentences as words
from ganzoo.ablate.comparison import Comparison
from ganzoo.ablate.experiment import Experiment
from ganzoo.ablate.formats import Result
from ganzoo.ablate.observations import Observation
from ganzoo.common.files import publish
from ganzoo.common.system import shell_line
from ganzoo.common.text import as_written, significant
from ganzoo.report import run_page
from ganzoo.report.charts import COLORS, Curves, Intervals, against_seconds, curves, intervals
from ganzoo.report.page import picture, render
from ganzoo.report.spacing import evenly
from ganzoo.runs.folder import RunDir, step_of
from ganzoo.runs.log import MEASURES
from ganzoo.runs.record import real, whole
from ganzoo.runs.thinned import read_thinned

MOST_SHEETS = 240
MOST_STEPS = 12
TERMS = ("d/loss", "g/loss")


@dataclass(frozen=True)
class Sheet:
    """One picture of samples."""

    uri: str
    step: int
    seed: int
    is_first: bool
    """Whether it is what the page shows before anything is touched."""


@dataclass(frozen=True)
class Column:
    """One variant's sheets."""

    name: str
    color: int
    images: tuple[Sheet, ...]


def write_page(experiment: Experiment, result: Result) -> Path:
    """Write report.html into the experiment's folder and return it."""
    path = experiment.path / "report.html"
    publish(path, page(experiment, result))
    return path


def page(experiment: Experiment, result: Result) -> str:
    """Return the page as one HTML file."""
    plan = experiment.plan
    names = [row.variant for row in result.comparisons[0].rows]
    color = {name: number % COLORS for number, name in enumerate(names)}
    primary = result.comparisons[0]
    columns, steps, sheet_seeds, real = _sheets(result, names, color)
    provenance = {f"measured: {key}": value for key, value in primary.provenance.items()}
    return render(
        "ablation.html",
        name=result.name,
        question=result.question,
        summary=_summary(result, plan),
        baseline=result.baseline,
        verdicts=words.verdicts(primary),
        warnings=[
            *words.differing(result.surroundings),
            *(f"no run has a score '{metric}'" for metric in result.missing),
        ],
        columns=writing.COLUMNS,
        tables=[
            {
                "metric": comparison.metric,
                "title": writing.title(result, comparison),
                "rows": [
                    {"cells": cells, "color": color[cells[0]]}
                    for cells in writing.rows(comparison, best)
                ],
                "notes": [
                    *writing.effects(comparison),
                    *writing.notes(
                        result, comparison, best, with_verdicts=comparison is not primary
                    ),
                ],
            }
            for comparison, best in writing.by_metric(result)
        ],
        intervals=list(_intervals(result, color)),
        curves=list(_curves(result, names)),
        legend=list(color.items()),
        sheets=columns,
        steps=steps,
        sheet_seeds=sheet_seeds,
        real=real,
        changed=[
            (name, [(key, as_written(was), as_written(now)) for key, was, now in found])
            for name, found in result.changes.items()
            if found
        ],
        troubles=words.troubles(result.runs),
        cost=_cost(result, names),
        metrics=plan["metrics"],
        cells=[
            {
                "page": _page_of(experiment, run),
                "id": run.run.id,
                "texts": (
                    run.variant,
                    run.seed,
                    run.state.status,
                    f"{run.state.step:,}",
                    *(significant(run.value(metric, "last")) for metric in plan["metrics"]),
                ),
            }
            for run in result.runs
        ],
        command=_command(plan["command"]),
        file=plan["file"],
        environment=[*_environment(result.runs), *provenance.items()],
    )


def _page_of(experiment: Experiment, run: Observation) -> str:
    """Return where a cell's own page lies, seen from the experiment's; empty if there is none."""
    path = run.run.path / run_page.NAME
    is_inside = run.run.has(path.name) and path.is_relative_to(experiment.path)
    return quote(path.relative_to(experiment.path).as_posix()) if is_inside else ""


def _summary(result: Result, plan: dict[str, Any]) -> str:
    budget = ", ".join(f"{value:,} {unit}" for unit, value in plan["budget"].items())
    done = sum(run.state.status == "done" for run in result.runs)
    return (
        f"{len(plan['variants'])} variants × {len(result.seeds)} seeds, {budget} each; "
        f"{done} of {len(result.runs)} cells done"
    )


def _intervals(result: Result, color: dict[str, int]) -> Iterator[Intervals]:
    for comparison, _ in writing.by_metric(result):
        base = comparison.rows[0]
        rows = []
        for row in comparison.rows[1:]:
            difference = row.difference
            assert difference is not None
            dots = _dots(row.scores, base.scores, ratio=comparison.ratio)
            label = f"{words.change(difference)} {words.interval(difference)}"
            rows.append(
                (
                    row.variant,
                    color[row.variant],
                    difference.value,
                    difference.low,
                    difference.high,
                    dots if difference.paired else [],
                    label + (" (partial)" if row.is_partial or base.is_partial else ""),
                )
            )
        title = f"{comparison.metric}, {'ratio' if comparison.ratio else 'difference'} of last"
        chart = intervals(f"{title} ({words.direction(comparison)})", rows, ratio=comparison.ratio)
        if chart is not None:
            yield chart


def _dots(own: dict[int, float], base: dict[int, float], *, ratio: bool) -> list[float]:
    shared = sorted(set(own) & set(base))
    return [own[seed] / base[seed] if ratio else own[seed] - base[seed] for seed in shared]


def _curves(result: Result, names: Sequence[str]) -> Iterator[Curves]:
    logs = {id(run): read_thinned(run.run) for run in result.runs}
    wanted: list[tuple[str, str, Comparison | None]] = [
        (comparison.metric if "/" in comparison.metric else f"{MEASURES}{comparison.metric}",
         comparison.metric, comparison)
        for comparison, _ in writing.by_metric(result)
    ]  # fmt: skip
    shown = {key for key, _, _ in wanted}
    wanted += [(term, term, None) for term in TERMS if term not in shown]
    for key, title, comparison in wanted:
        series = {
            name: [_table(logs[id(run)], key) for run in result.runs if run.variant == name]
            for name in names
        }
        series = {name: [table for table in own if table] for name, own in series.items()}
        floor = comparison.floor if comparison else None
        note = "" if floor is None else f"real against real: {significant(floor)}"
        log = bool(comparison and comparison.ratio)
        chart = curves(
            {"d/loss": "discriminator loss", "g/loss": "generator loss"}.get(title, title),
            series,
            log=log,
            note=note,
        )
        if chart is not None:
            yield chart
        if comparison is None:
            continue
        chart = against_seconds(
            f"{title} against seconds",
            series,
            {
                name: [
                    _table(logs[id(run)], "seconds") for run in result.runs if run.variant == name
                ]
                for name in names
            },
            log=log,
            note=note,
        )
        if chart is not None:
            yield chart


def _table(log: Sequence[dict[str, Any]], key: str) -> dict[float, float]:
    return {
        step: value
        for entry in log
        if (step := whole(entry.get("step"))) is not None
        and (value := real(entry.get(key))) is not None
    }


def _sheets(
    result: Result, names: Sequence[str], color: dict[str, int]
) -> tuple[list[Column], list[int], list[int], str]:
    """Return the sheets by variant, the steps of the slider, the seeds, and the real images."""
    found: dict[tuple[str, int], dict[int, tuple[RunDir, str]]] = {}
    for run in result.runs:
        found[run.variant, run.seed] = {
            step_of(path): (run.run, path.name) for path in run.run.sheets()
        }
    all_steps = sorted({step for sheets in found.values() for step in sheets})
    steps = list(evenly(all_steps, MOST_STEPS))
    if not steps:
        return [], [], [], ""
    fitting = max(1, MOST_SHEETS // (len(steps) * len(names)))
    seeds = list(result.seeds[:fitting])
    columns = [
        Column(
            name,
            color[name],
            tuple(
                Sheet(
                    picture(of, "samples", file), step, seed, step == steps[-1] and seed == seeds[0]
                )
                for seed in seeds
                for step, (of, file) in found.get((name, seed), {}).items()
                if step in steps
            ),
        )
        for name in names
    ]
    return columns, steps, seeds, picture(result.runs[0].run, "real.png")


def _cost(result: Result, names: Sequence[str]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name in names:
        own = [run for run in result.runs if run.variant == name]
        seconds = [run.seconds for run in own if run.seconds is not None]
        speed = [run.images_per_second for run in own if run.images_per_second is not None]
        rows.append(
            (
                name,
                str(len(own)),
                significant(math.fsum(seconds) / len(seconds) if seconds else None, 3),
                significant(math.fsum(speed) / len(speed) if speed else None, 3),
                f"{math.fsum(seconds) / 60:.1f} min",
            )
        )
    return rows


def _command(argv: Sequence[str]) -> str:
    return shell_line(["ganzoo", *argv[1:]])


def _environment(runs: Sequence[Observation]) -> list[tuple[str, str]]:
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        for name, value in run.environment.items():
            found.setdefault(name, {})[str(value)] = None
    return [(name, " and ".join(values)) for name, values in found.items()]
