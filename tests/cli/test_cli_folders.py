"""Run folders as the command line reads them: alive, killed, torn and hostile ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from calling import Call, parsed
from safetensors.torch import save_file

from ganzoo.runs.folder import RunDir
from ganzoo.runs.record import Record


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Return a run that says it is running."""
    made = RunDir(tmp_path / "runs" / "tiny" / "20260101-1200-abcd")
    made.samples.mkdir(parents=True)
    made.checkpoints.mkdir()
    made.recipe.touch()
    made.set_status("running", 7)
    return made


def test_a_run_whose_process_is_gone_was_killed(call: Call, run: RunDir) -> None:
    (row,) = parsed(call("list", "runs", "--json"))

    assert (row["id"], row["status"], row["step"]) == ("abcd", "killed", 7)
    assert f"resume  ganzoo resume {run.id}\n" in call("show", run.id).stdout


def test_a_run_whose_lock_is_held_is_running(call: Call, run: RunDir) -> None:
    with run.locked():
        assert Record(run).status == "running"

        assert "go on" not in call("show", "abcd").stdout


def test_a_torn_last_line_of_the_log_is_left_out(run: RunDir) -> None:
    run.log.write_text('{"step": 1, "d/loss": 2.0}\n{"step": 2, "d/lo')

    assert Record(run).last_entry == {"step": 1, "d/loss": 2.0}


@pytest.mark.parametrize(
    "content", ["", "\n", "[1]\n", "nonsense\n", "[" * 60_000 + "\n", "\xff\n"]
)
def test_a_log_that_is_none_has_no_last_entry(run: RunDir, content: str) -> None:
    run.log.write_text(content, encoding="latin-1")

    assert Record(run).last_entry == {}


def test_a_hostile_folder_is_shown_and_listed_harmlessly(call: Call, run: RunDir) -> None:
    escape = "\x1b[2J[/bold]\u202e"
    run.log.write_text(
        json.dumps({"step": escape, f"d/{escape}": escape, "d/accuracy": [1], "g/x": {"y": 1}})
        + "\n"
    )
    run.write_json("status.json", {"status": escape, "step": [escape], "reason": {"a": escape}})
    run.write_json("environment.json", {"steps": "many", "plugins": [{"name": []}, 3], "data": 1})
    run.path.rename(run.path.with_name(f"{escape}-abcd".replace("/", "")))

    listed, shown = call("list", "runs"), call("show", "abcd")

    assert (listed.exit_code, shown.exit_code) == (0, 0)
    for result in (listed, shown):
        assert "\x1b" not in result.stdout
        assert "\u202e" not in result.stdout
        assert "[2J[" in result.stdout


def test_resume_reads_a_hostile_record_without_falling_over(call: Call, run: RunDir) -> None:
    run.recipe.write_text("x = 1\n")
    run.write_json("environment.json", {"plugins": [{"name": [], "distribution": {}}, 3]})

    result = call("resume", "abcd")

    assert result.exit_code == 2
    assert "recipe.toml:1: x: unknown key" in result.stderr


def test_a_name_that_two_runs_have_is_refused(call: Call, run: RunDir) -> None:
    twin = run.path.parent.parent / "other" / run.path.name
    twin.mkdir(parents=True)
    (twin / "recipe.toml").touch()

    result = call("show", "abcd")

    assert result.exit_code == 2
    assert "names 2 runs" in result.stderr


def test_threads_of_torch_are_told_to_wait_passively_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ganzoo import cli
    from ganzoo.cli import app

    monkeypatch.setattr(app.ganzoo, "main", lambda prog_name: None)  # noqa: ARG005
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)

    cli.main()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"

    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    cli.main()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_what_components_remember_is_shown(call: Call, run: RunDir) -> None:
    tensors = {"own/loss/k": torch.tensor(0.012), "own/loss/q.weight": torch.zeros(2, 100)}
    save_file(tensors, run.checkpoints / "step-000007.safetensors")

    shown = call("show", "abcd").stdout
    told = parsed(call("show", "abcd", "--json"))["own"]

    assert "state   loss.k = 0.012, and 200 numbers in 1 tensor\n" in shown
    assert told == {"loss.k": [pytest.approx(0.012)], "loss.q.weight": 200}
