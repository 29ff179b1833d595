"""Experiments without training: folders that look like those of finished runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganzoo.ablate.experiment import Experiment, folder_of
from ganzoo.runs.folder import EXPERIMENT, RunDir

PROVENANCE = {"metric": "frechet", "network": "toy-classifier", "n_fake": 1000, "ema": False}


def metric(last: float, best: float | None = None, **extra: Any) -> dict[str, Any]:
    """Return an entry of a result's 'metrics'."""
    return {
        "last": {"value": last, "step": 30},
        "best": {"value": last if best is None else best, "step": 20},
        "floor": {"value": 0.5},
        "lower_is_better": True,
        "positive": True,
        "provenance": PROVENANCE,
        **extra,
    }


def finish(run: RunDir, frechet: float, best: float | None = None, **result: Any) -> None:
    """Make a folder that of a run which is done."""
    run.samples.mkdir(parents=True, exist_ok=True)
    run.write_json("status.json", {"status": "done", "step": 30, "reason": ""})
    run.write_json(
        "result.json",
        {
            "final": {"d/loss": 1.0},
            "metrics": {"frechet": metric(frechet, best)},
            "health": [],
            "seconds": 1.5,
            "images_per_second": 100.0,
            **result,
        },
    )
    run.write_json("environment.json", {"torch": "2.15", "device_name": "a CPU", "threads": 1})


def experiment(
    folder: Path,
    scores: Mapping[str, Mapping[int, float]],
    *,
    metrics: tuple[str, ...] = ("frechet",),
    levels: Mapping[str, Mapping[str, str]] | None = None,
    axes: Mapping[str, list[str]] | None = None,
    question: str = "Which?",
) -> Experiment:
    """Make an experiment whose cells are done, the first variant being the baseline."""
    seeds = sorted({seed for own in scores.values() for seed in own})
    numbered = [
        (f"{number:012x}", variant, seed)
        for number, (variant, seed) in enumerate((v, s) for s in seeds for v in scores)
    ]
    plan = {
        "format": 1,
        "name": folder.name,
        "question": question,
        "metrics": list(metrics),
        "seeds": seeds,
        "baseline": next(iter(scores)),
        "mode": "grid",
        "budget": {"steps": 30},
        "axes": axes or {"variant": list(scores)},
        "variants": [
            {
                "name": name,
                "levels": (levels or {}).get(name, {"variant": name}),
                "changes": [] if name == next(iter(scores)) else [["loss.use", "bce", name]],
            }
            for name in scores
        ],
        "cells": [{"id": cell, "variant": name, "seed": seed} for cell, name, seed in numbered],
        "command": ["ganzoo", "ablate", "x.toml"],
        "file": "",
    }
    folder.mkdir(parents=True)
    for cell, name, seed in numbered:
        run = RunDir(folder / folder_of(cell))
        run.path.mkdir()
        run.recipe.write_text(f'[train]\nseed = {seed}\n[loss]\nuse = "{name}"\n')
        if seed in scores[name]:
            finish(run, scores[name][seed])
    RunDir(folder).write_json(EXPERIMENT, plan)
    return Experiment(folder, plan)
