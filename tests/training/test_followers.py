"""Plugins that follow a run: what they are told, when, and that they never stop it."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_recipe import small

from ganzoo.common.data_root import DataRoot
from ganzoo.common.errors import GanzooError, TrainingError
from ganzoo.plugin import registry
from ganzoo.plugin.hooks import hookimpl
from ganzoo.plugin.loader import new_manager
from ganzoo.plugin.registry import Registry
from ganzoo.plugin.types import RunInfo
from ganzoo.recipe.check import load_recipe
from ganzoo.runs.folder import RunDir
from ganzoo.training.loop import new_run, start
from ganzoo.training.machine import set_up
from ganzoo.training.parts import assemble
from ganzoo.training.state import Outcome, Silent

INSTALLED = registry.load_plugins(block={"*"})
RECIPE = (
    small(above="metric = []", steps=4, log_every=2)
    + """\
[samples]
rows = 1
columns = 2
every = 2
[checkpoint]
every = 2
"""
)


class Follower:
    """Remembers what it was told; raises where it is asked to."""

    def __init__(self, fails_in: str = "") -> None:
        self.told: list[tuple[Any, ...]] = []
        self.fails_in = fails_in

    def hear(self, hook: str, *what: Any) -> None:
        self.told.append((hook, *what))
        random.random(), torch.rand(3)
        print("a tracker talks")
        if hook == self.fails_in:
            raise RuntimeError("no network")

    @hookimpl
    def ganzoo_trackers(self) -> list[str]:
        return ["follower"]

    @hookimpl
    def ganzoo_run_started(self, run: RunInfo) -> None:
        self.hear("started", run)

    @hookimpl
    def ganzoo_logged(self, step: int, values: Mapping[str, float]) -> None:
        self.hear("logged", step, sorted(values))

    @hookimpl
    def ganzoo_sampled(self, step: int, path: Path) -> None:
        self.hear("sampled", step, path.is_file())

    @hookimpl
    def ganzoo_checkpointed(self, step: int, path: Path) -> None:
        self.hear("checkpointed", step, path.is_file())

    @hookimpl
    def ganzoo_run_finished(self, step: int, status: str, result: Mapping[str, Any]) -> None:
        self.hear("finished", step, status, result.get("step"))


class Listening(Silent):
    """Keeps warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def followed_by(*followers: object) -> Registry:
    manager = new_manager()
    for number, follower in enumerate(followers):
        manager.register(follower, f"follower-{number} = somewhere")
    return replace(INSTALLED, managed=lambda: manager)


def trained(
    folder: Path, plugins: Registry, *, text: str = RECIPE, **rest: Any
) -> tuple[Outcome, RunDir, list[str]]:
    path = folder / "tiny.toml"
    path.write_text(text)
    recipe = load_recipe(path, INSTALLED)
    machine, _ = set_up("cpu")
    root = DataRoot(folder, download=False)
    parts = assemble(recipe, INSTALLED, root, machine, warn=print)
    run = new_run(parts, folder / "runs", "tiny")
    reporter = Listening()
    outcome = start(parts, plugins, run, reporter, **rest)
    return outcome, run, reporter.warnings


def test_a_follower_is_told_of_everything_in_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    follower = Follower()

    _, run, _ = trained(tmp_path, followed_by(follower), track=["follower"])

    assert [each[0] for each in follower.told] == [
        "started", "logged", "sampled", "checkpointed", "logged", "sampled", "checkpointed",
        "finished",
    ]  # fmt: skip
    about = follower.told[0][1]
    assert about.path == run.path
    assert about.name == f"tiny/{run.path.name}"
    assert (about.start, about.steps, about.trackers) == (0, 4, {"follower"})
    assert about.recipe["loss"]["use"] == "bce"
    assert follower.told[1][1] == 2
    assert {"d/loss", "g/loss", "epoch"} <= set(follower.told[1][2])
    assert follower.told[2:4] == [("sampled", 2, True), ("checkpointed", 2, True)]
    assert follower.told[-1] == ("finished", 4, "done", 4)
    assert capsys.readouterr().out == ""


def test_a_follower_that_raises_is_told_once_and_never_stops_a_run(tmp_path: Path) -> None:
    bad, good = Follower(fails_in="logged"), Follower()

    outcome, _, warnings = trained(tmp_path, followed_by(bad, good))

    assert outcome.status == "done"
    assert len(warnings) == 1
    assert "plugin 'follower-0' failed in ganzoo_logged" in warnings[0]
    assert "training continues: RuntimeError: no network" in warnings[0]
    assert [each[0] for each in bad.told] == ["started", "logged"]
    assert good.told[-1][0] == "finished"


def test_followers_change_nothing_in_the_run(tmp_path: Path) -> None:
    results = []
    for name, plugins in (("alone", followed_by()), ("followed", followed_by(Follower()))):
        (tmp_path / name).mkdir()
        _, run, _ = trained(tmp_path / name, plugins)
        results.append(run.generator.read_bytes())

    assert results[0] == results[1]


def test_a_run_that_fails_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = Follower()
    monkeypatch.setattr("ganzoo.training.loop.Training.advance", broken)

    with pytest.raises(TrainingError):
        trained(tmp_path, followed_by(follower))

    assert follower.told[-1] == ("finished", 0, "failed", None)


def broken(training: Any) -> None:  # noqa: ARG001
    raise TrainingError("it diverged")


def test_an_unknown_tracker_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="no tracker named 'follow'; did you mean 'follower'"):
        trained(tmp_path, followed_by(Follower()), track=["follow"])


def test_built_in_trackers_are_silent_unless_asked_for(tmp_path: Path) -> None:
    _, run, warnings = trained(tmp_path, INSTALLED)

    assert not list(run.path.rglob("*tfevents*"))
    assert not (run.path / "wandb").exists()
    assert warnings == []


def test_a_tracker_that_is_not_installed_is_named_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)

    outcome, _, warnings = trained(tmp_path, INSTALLED, track=["wandb"])

    assert outcome.status == "done"
    assert "pip install 'ganzoo-torch[wandb]'" in warnings[0]


def test_tensorboard_gets_curves_sheets_and_the_recipe(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="pip install 'ganzoo-torch[tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, run, warnings = trained(tmp_path, INSTALLED, track=["tensorboard"])

    found = EventAccumulator(str(run.path)).Reload()
    logged = {entry["step"]: entry["d/loss"] for entry in run.read_log()}
    shown = {event.step: event.value for event in found.Scalars("discriminator/loss")}
    assert shown == pytest.approx(logged)
    groups = {name.partition("/")[0] for name in found.Tags()["scalars"]}
    assert groups == {"discriminator", "generator", "progress"}
    assert [event.step for event in found.Images("samples")] == [2, 4]
    assert len(found.Images("real images")) == 1
    text = found.Tensors("recipe/text_summary")[0].tensor_proto.string_val[0].decode()
    assert run.recipe.read_text() in text
    assert warnings == []


@pytest.mark.skipif(
    importlib.util.find_spec("wandb") is None, reason="pip install 'ganzoo-torch[wandb]'"
)
def test_wandb_works_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")

    outcome, run, warnings = trained(tmp_path, INSTALLED, track=["wandb"])

    assert outcome.status == "done"
    assert warnings == []
    assert list((run.path / "wandb").glob("offline-run-*/run-*.wandb"))
