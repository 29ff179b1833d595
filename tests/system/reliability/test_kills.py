"""Killed at any instant, a run loses nothing; the long form is ``python kills.py``."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from children import empty_state, run_child
from kills import die_at, killed_runs, killed_writers

from ganzoo.runs import checkpoint


def test_runs_killed_at_random_instants_end_like_undisturbed_ones(tmp_path: Path) -> None:
    equal, kills = killed_runs(tmp_path, 2, seed=1)

    assert equal == 2
    assert kills >= 2


@pytest.mark.slow
def test_two_hundred_runs_killed_three_hundred_times_end_alike(tmp_path: Path) -> None:
    equal, kills = killed_runs(tmp_path, 200)

    assert equal == 200
    assert kills >= 300


def test_a_writer_killed_at_random_leaves_a_valid_checkpoint(tmp_path: Path) -> None:
    assert killed_writers(tmp_path, 5, seed=1) == (0, 0)


@pytest.mark.slow
def test_a_writer_killed_a_thousand_times_leaves_a_valid_checkpoint(tmp_path: Path) -> None:
    assert killed_writers(tmp_path, 1000) == (0, 0)


@pytest.mark.parametrize("torn", [False, True])
def test_a_writer_killed_at_any_system_call_leaves_the_old_checkpoint_or_the_new(
    tmp_path: Path, torn: bool
) -> None:
    path = tmp_path / "step-000001.safetensors"
    state = empty_state(1)
    steps = []
    for call in range(1, 20):
        checkpoint.write(path, {"weights": torch.zeros(1000)}, state)
        code = run_child(die_at, path, call, torn)
        steps.append(checkpoint.read_checkpoint(path)[1].step)
        if code == 0:
            break
        assert code == -9

    assert code == 0, "there were more system calls than were tried"
    assert steps[0] == 1
    assert steps[-1] == 2
    assert len(steps) >= 7
