"""Any runs side by side: those that differ in their seed alone are one variant."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ganzoo.ablate import comparison as table
from ganzoo.ablate.driver import compared
from ganzoo.ablate.experiment import Experiment, is_experiment, open_experiment
from ganzoo.ablate.formats import Result
from ganzoo.ablate.observations import At, Observation, observe, surroundings
from ganzoo.common.errors import GanzooError, suggest
from ganzoo.common.tables import differing, dotted
from ganzoo.runs.folder import RunDir, find
from ganzoo.runs.frozen import frozen_tables

BUDGET_FREE = ("train.seed",)
"""Keys that do not make another variant."""


def compared_runs(names: Sequence[str], out: Path, metrics: Sequence[str] = ()) -> Result:
    """Compare what ``names`` mean: one experiment as it was planned, or any runs and experiments.

    Raises:
        GanzooError: if a name means nothing, or scores were measured differently.
    """
    if len(names) == 1 and not metrics:
        experiment = _experiment(names[0], out)
        if experiment is not None:
            return compared(experiment)
    runs = [run for name in names for run in _runs(name, out)]
    runs = list({run.path.resolve(): run for run in runs}.values())
    if len(runs) < 2:
        raise GanzooError(
            "only one run given; name another run to compare it with, or an ablation folder"
        )
    groups = _grouped(runs)
    variants = _named(groups)
    observed = []
    for name, members in zip(variants, groups, strict=True):
        # Of two runs with recipe and seed alike, the later one stands for both.
        by_seed = {_seed(tables): run for run, tables in members}
        observed += [observe(run, name, seed) for seed, run in sorted(by_seed.items())]
    wanted = list(metrics) or _shared_metrics(observed)
    _refuse_unknown(wanted, observed)
    points: tuple[At, ...] = ("last", "best")
    comparisons = tuple(
        table.compare(observed, variants, metric, at)
        for metric in wanted
        for at in points
        if at == "last" or table.has(observed, metric, at)
    )
    base = _seedless(groups[0][0][1])
    return Result(
        "comparison",
        "",
        variants[0],
        tuple(sorted({run.seed for run in observed})),
        wanted[0],
        comparisons,
        tuple(observed),
        {
            name: differing(base, _seedless(members[0][1]))
            for name, members in zip(variants, groups, strict=True)
        },
        surroundings(observed),
    )


_Member = tuple[RunDir, dict[str, Any]]


def _experiment(name: str, out: Path) -> Experiment | None:
    for path in (Path(name), out / name):
        if is_experiment(path):
            return open_experiment(path)
    return None


def _runs(name: str, out: Path) -> Iterator[RunDir]:
    experiment = _experiment(name, out)
    if experiment is None:
        yield find(name, out)
        return
    for cell in experiment.cells:
        yield experiment.run(cell["id"])


def _grouped(runs: Sequence[RunDir]) -> list[list[_Member]]:
    groups: dict[str, list[_Member]] = {}
    for run in runs:
        tables = frozen_tables(run)
        groups.setdefault(json.dumps(_seedless(tables), sort_keys=True, default=str), []).append(
            (run, tables)
        )
    return list(groups.values())


def _seed(tables: Mapping[str, Any]) -> int:
    train = tables.get("train")
    seed = train.get("seed", 0) if isinstance(train, dict) else 0
    return seed if isinstance(seed, int) else 0


def _named(groups: Sequence[Sequence[_Member]]) -> list[str]:
    """Name each variant by its folder, or by its run where folders are alike."""
    folders = [members[0][0].path.absolute().parent.name for members in groups]
    return [
        folder if folders.count(folder) == 1 else f"{folder} {members[0][0].id}"
        for folder, members in zip(folders, groups, strict=True)
    ]


def _shared_metrics(runs: Sequence[Observation]) -> list[str]:
    """Return the metrics that all finished runs have, else the log's terms they share."""
    finished = [run for run in runs if run.state.status == "done"]
    if not finished:
        raise GanzooError("no run is finished, so there is nothing to compare")
    shared = [name for name in finished[0].scores if all(name in run.scores for run in finished)]
    measured = [name for name in shared if finished[0].scores[name].lower_is_better is not None]
    if not shared:
        raise GanzooError("the runs have no score in common; measure them: ganzoo measure RUN")
    return measured or shared


def _refuse_unknown(metrics: Sequence[str], runs: Sequence[Observation]) -> None:
    known = list(dict.fromkeys(name for run in runs for name in run.scores))
    for metric in metrics:
        if metric not in known:
            near = suggest(metric, known, then=f"there are {', '.join(known) or 'none'}")
            raise GanzooError(f"no run has a score '{metric}'{near}")


def _seedless(tables: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in dotted(tables).items() if key not in BUDGET_FREE}
