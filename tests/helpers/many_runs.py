"""Folders of runs that nobody trained, as many as wanted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from ganzoo.runs.folder import RunDir

STATUSES = ("done", "done", "done", "interrupted", "failed")


def one_run(path: Path, number: int = 0, status: str = "done", *, lines: int = 20) -> RunDir:
    """Make the folder of a run, with a sheet, a log, a score and what a real one has besides."""
    run = RunDir(path)
    run.samples.mkdir(parents=True)
    run.checkpoints.mkdir()
    run.recipe.write_text("[train]\nsteps = 1000\n")
    run.write_json("environment.json", {"steps": 1000, "device": "cpu", "plugins": [{}] * 16})
    pixels = np.random.default_rng(number).integers(0, 255, (8, 8), dtype=np.uint8)
    pixels = np.kron(pixels, np.full((14, 14), 1, dtype=np.uint8))
    Image.fromarray(pixels).save(run.samples / "step-001000.png")
    log = []
    for step in range(50, 50 * (lines + 1), 50):
        entry: dict[str, object] = {"step": step, "epoch": step / 100, "images_per_second": 900.0}
        entry |= {"d/loss": 1.4 - step / 4000 + number % 7 / 50, "g/loss": 0.7 + step / 3000}
        if step % 100 == 0:
            entry["m/frechet"] = 100 / (1 + step / 200) + number % 11
        log.append(json.dumps(entry))
    run.log.write_text("\n".join(log) + "\n")
    if status == "done":
        best = {"value": 20.0 + number % 11, "step": 1000}
        scores = {"frechet": {"last": best, "best": best, "lower_is_better": True}}
        run.write_json("result.json", {"metrics": scores})
    run.set_status(status, 1000 if status == "done" else 600)
    (run.path / ".lock").touch()
    return run


def many_runs(out: Path, count: int, *, cells: int = 0) -> list[RunDir]:
    """Make runs of ten recipes under ``out``, and an ablation with some of them as its cells."""
    made = [
        one_run(
            out / f"recipe_{number % 10}" / f"20260101-{1000 + number}-r{number:03d}",
            number,
            STATUSES[number % len(STATUSES)],
        )
        for number in range(count - cells)
    ]
    plan = []
    for number in range(cells):
        made.append(one_run(out / "mode_collapse" / f"cell-c{number:03d}", number))
        plan.append({"id": f"c{number:03d}", "variant": f"pack {number % 4}", "seed": number // 4})
    if cells:
        told = {"cells": plan, "question": "Do packs keep a generator from collapsing?"}
        RunDir(out / "mode_collapse").write_json("experiment.json", told)
    return made
