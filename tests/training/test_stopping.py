"""A run that is stopped leaves a last sheet, and a measurement is no slow training."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

import pytest
from tiny_run import TINY

import ganzoo
from ganzoo import session
from ganzoo.plugin.registry import load_plugins
from ganzoo.session import Run
from ganzoo.training.loop import start
from ganzoo.training.place import Place
from ganzoo.training.state import NoMeasures, Silent


def stopped(out: Path, **settings: object) -> Run:
    """Return a run that was stopped after its first step."""
    wanted = {**TINY, **{name.replace("__", "."): value for name, value in settings.items()}}
    return ganzoo.run(
        "dcgan_digits", wanted, out=out, device="cpu", offline=True, quiet=True, minutes=1e-6
    )


def sheets(run: Run) -> list[str]:
    return [path.name for path in run.folder.sheets()]


def test_a_stopped_run_has_a_sheet_and_its_page_shows_it(tmp_path: Path) -> None:
    run = stopped(tmp_path, samples__every=0)

    assert (run.status, sheets(run)) == ("interrupted", ["step-000001.png"])
    assert 'data-step="1"' in run.report().read_text(encoding="utf-8")


def test_a_run_that_goes_on_leaves_the_sheets_of_one_that_never_stopped(
    tmp_path: Path, run: Run
) -> None:
    cut = stopped(tmp_path)
    registry = load_plugins([])
    parts = session.build(cut.recipe, registry, Place("cpu", offline=True), Silent())
    assert sheets(cut) == ["step-000001.png"]

    session.train(parts, cut.folder, registry, Silent(), resume=True)

    assert sheets(cut) == sheets(run)
    assert cut.folder.film.read_bytes() == run.folder.film.read_bytes()


def test_a_stop_right_at_a_sheet_draws_no_other(tmp_path: Path) -> None:
    assert sheets(stopped(tmp_path, samples__every=1)) == ["step-000001.png"]


class Slow(NoMeasures):
    """Measures at every second step, and takes a thousand seconds of a clock's time for it."""

    best: ClassVar = {}

    def __init__(self, clock: list[float]) -> None:
        self.clock = clock

    def is_due(self, step: int) -> bool:
        return step % 2 == 0

    def take(self, step: int) -> dict[str, float]:
        self.clock[0] += 1000
        return {"m/score": float(step)}


def test_the_speed_in_a_line_with_scores_is_that_of_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, real = [0.0], time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + clock[0])
    registry = load_plugins([])
    recipe = ganzoo.load("dcgan_digits", TINY | {"train.log_every": 1})
    parts = session.build(recipe, registry, Place("cpu", offline=True), Silent())
    made = session.begun(parts, tmp_path, "slow", registry)

    start(parts, registry, made, Silent(), measured=lambda: Slow(clock))

    log = made.read_log()
    assert ["m/score" in line for line in log] == [False, True, False, True]
    assert all(line["images_per_second"] > 0.1 for line in log)
    assert log[-1]["seconds"] > 2000
