"""One wary reader of a run folder; the order of checkpoints; where a killed run stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganzoo.runs.folder import RunDir, checkpoints
from ganzoo.runs.record import Record, Titles, summaries, summary
from ganzoo.session import open_run


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Return a run folder with a recipe and nothing else."""
    made = RunDir(tmp_path / "mine" / "20260101-0000-abcd")
    made.samples.mkdir(parents=True)
    made.checkpoints.mkdir()
    made.recipe.write_text("")
    return made


def test_checkpoints_and_sheets_are_in_the_order_of_their_numbers(run: RunDir) -> None:
    steps = [998_000, 999_000, 1_000_000, 1_001_000, 1_002_000]
    for step in steps:
        (run.checkpoints / f"step-{step:06d}.safetensors").touch()
        (run.samples / f"step-{step:06d}.png").touch()

    names = [path.stem for path in checkpoints(run.checkpoints)]

    assert names == [f"step-{step:06d}" for step in reversed(steps)]
    assert [path.stem for path in run.sheets()] == [f"step-{step:06d}" for step in steps]


def test_a_run_that_says_it_runs_and_does_not_is_killed_for_everybody(run: RunDir) -> None:
    run.set_status("running", 7)

    assert Record(run).status == Record(run).state().status == "killed"
    assert open_run(run.path).status == summary(run)["status"] == "killed"
    assert not Record(run).state().is_final
    with run.locked():
        assert Record(run).status == Record(run).state().status == "running"


def test_how_far_a_run_is_stands_in_its_log_while_it_trains(run: RunDir) -> None:
    run.set_status("running", 10)
    run.append_log({"step": 40})

    with run.locked():
        assert summary(run)["step"] == 40
    assert summary(run)["step"] == 10  # killed: what was saved counts


def test_a_cell_that_used_up_its_minutes_is_done(run: RunDir) -> None:
    run.set_status("interrupted", 7, "the 2 minutes of --minutes are over")

    assert Record(run).state().status == "interrupted"
    assert Record(run).state(minutes=2).status == "done"


@pytest.mark.parametrize(
    "content",
    ["[]", "null", "3", '"x"', "{", "[" * 200_000, '{"status": []}', '{"step": "many"}', ""],
)
def test_files_with_anything_in_them_are_read_as_far_as_they_make_sense(
    run: RunDir, content: str
) -> None:
    for name in ("status.json", "result.json", "environment.json", "origin.json"):
        (run.path / name).write_text(content)
    run.log.write_text(content + "\n")

    record = Record(run)

    assert record.step == 0
    assert record.steps is None
    assert (record.final, record.metrics, record.health) == ({}, {}, [])
    assert (record.data, record.classes, record.plugins) == ({}, [], [])
    assert isinstance(record.last_entry, dict)
    assert isinstance(record.status, str)


def test_wrong_values_inside_a_result_are_left_out(run: RunDir) -> None:
    wrong = {"final": [1], "metrics": {"frechet": 3}, "health": [1, {"event": "collapsed"}]}
    (run.path / "result.json").write_text(json.dumps(wrong))

    record = Record(run)

    assert record.final == {}
    assert record.metrics == {"frechet": {}}
    assert record.health == [{"event": "collapsed"}]


@pytest.mark.usefixtures("run")
def test_cells_of_an_ablation_are_listed_with_variant_and_seed(tmp_path: Path) -> None:
    above = tmp_path / "collapse"
    for letters in ("ab12", "cd34"):
        (above / f"cell-{letters}").mkdir(parents=True)
        (above / f"cell-{letters}" / "recipe.toml").touch()
    cells = [{"id": "ab12", "variant": "pack", "seed": 0}, "rubbish"]
    (above / "experiment.json").write_text(json.dumps({"cells": cells}))

    found = {row["id"]: row for row in summaries(tmp_path)}

    assert found["ab12"]["title"] == "collapse: pack, seed 0"
    assert (found["ab12"]["variant"], found["ab12"]["seed"]) == ("pack", 0)
    assert found["cd34"]["title"] == "collapse"
    assert found["abcd"]["title"] == "mine"
    assert found["abcd"]["variant"] is None


def test_the_shell_is_told_variant_and_seed_of_a_cell(tmp_path: Path) -> None:
    import click

    from ganzoo.cli.options import run_names

    above = tmp_path / "collapse"
    (above / "cell-ab12").mkdir(parents=True)
    (above / "cell-ab12" / "recipe.toml").touch()
    plan = {"cells": [{"id": "ab12", "variant": "pack", "seed": 0}]}
    (above / "experiment.json").write_text(json.dumps(plan))
    context = click.Context(click.Command("x"))
    context.params["out"] = tmp_path

    (found,) = run_names(context, click.Argument(["name"]), "a")

    assert (found.value, found.help) == ("ab12", Titles().title(RunDir(above / "cell-ab12")))
