"""What lies in a run's folder is no way out of it, and one bad folder is nobody else's trouble."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ganzoo.ablate.experiment import open_experiment
from ganzoo.common.errors import CheckpointError, GanzooError, RefusedError
from ganzoo.runs import checkpoint
from ganzoo.runs.folder import EXPERIMENT, RunDir, list_runs
from ganzoo.runs.record import Record, summaries


@pytest.fixture
def runs(tmp_path: Path) -> tuple[RunDir, RunDir]:
    """Return two runs that are done."""
    made = []
    for name in ("aaaa", "bbbb"):
        run = RunDir(tmp_path / "runs" / "mine" / f"20260101-0000-{name}")
        run.samples.mkdir(parents=True)
        run.checkpoints.mkdir()
        run.recipe.write_text("")
        run.set_status("done", 7)
        made.append(run)
    return made[0], made[1]


LAID: list[Callable[[Path], object]] = [
    os.mkfifo,
    os.mkdir,
    lambda path: path.write_text("[" * 200_000),
    lambda path: path.write_text('{"a":' * 200_000 + "1" + "}" * 200_000 + "\n"),
    lambda path: path.symlink_to(path.parent.parent / "20260101-0000-bbbb" / path.name),
    lambda path: path.symlink_to("nowhere"),
]


@pytest.mark.parametrize("lay", LAID)
@pytest.mark.parametrize(
    "name", ["status.json", "result.json", "log.jsonl", "recipe.toml", ".lock"]
)
def test_one_bad_folder_leaves_the_list_of_runs_whole(
    runs: tuple[RunDir, RunDir], name: str, lay: Callable[[Path], object]
) -> None:
    bad = runs[0]
    (bad.path / name).unlink(missing_ok=True)
    lay(bad.path / name)

    rows = {row["id"]: row for row in summaries(bad.path.parents[1])}

    assert rows.keys() == {"aaaa", "bbbb"}
    assert (rows["bbbb"]["status"], rows["bbbb"]["step"]) == ("done", 7)


def test_a_status_that_nobody_should_open_is_told_with_its_reason(
    runs: tuple[RunDir, RunDir],
) -> None:
    run = runs[0]
    (run.path / "status.json").unlink()
    os.mkfifo(run.path / "status.json")

    assert Record(run).status == Record(run).state().status == "unreadable"
    assert "status.json' is a pipe, not a file" in Record(run).reason


@pytest.mark.parametrize("name", ["samples", "checkpoints", "plugins", "log.jsonl", "real.png"])
def test_a_run_with_a_link_in_it_is_not_gone_on_with(
    runs: tuple[RunDir, RunDir], name: str, tmp_path: Path
) -> None:
    run, victim = runs[0], tmp_path / "victim"
    (victim / "step-000001.safetensors").mkdir(parents=True)
    (victim / f"x.tmp-{os.getpid()}").write_text("precious")
    if (run.path / name).is_dir():
        (run.path / name).rmdir()
    (run.path / name).symlink_to(victim)

    with pytest.raises(RefusedError, match=f"{name}' is a symbolic link"), run.locked():
        pass

    assert (victim / f"x.tmp-{os.getpid()}").read_text() == "precious"
    assert not (run.path / ".lock").exists()


def test_a_linked_checkpoint_is_no_damaged_one_and_no_huge_one_is_read(
    runs: tuple[RunDir, RunDir], tmp_path: Path
) -> None:
    folder, victim = runs[0].checkpoints, tmp_path / "victim"
    victim.write_text("precious")
    (folder / "step-000001.safetensors").symlink_to(victim)
    with pytest.raises(CheckpointError, match="is a symbolic link") as refused:
        checkpoint.read_checkpoint(folder / "step-000001.safetensors")
    assert not isinstance(refused.value, checkpoint.DamagedError)

    size = 10**13
    header = json.dumps({"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    huge = folder / "step-000002.safetensors"
    huge.write_bytes(len(header).to_bytes(8, "little") + header)
    os.truncate(huge, 8 + len(header) + size)
    with pytest.raises(CheckpointError, match="is not read: at most"):
        checkpoint.read_checkpoint(huge)


def test_an_experiment_has_its_cells_inside(runs: tuple[RunDir, RunDir]) -> None:
    study = runs[0].path.parents[1] / "study"
    study.mkdir()
    plan = {
        "format": 1, "name": "study", "question": "", "metrics": ["m"], "seeds": [0],
        "baseline": "a", "mode": "grid", "budget": {"steps": 8}, "axes": {"x": ["a"]},
        "variants": [{"name": "a", "levels": {"x": "a"}, "changes": []}],
        "cells": [{"id": "0", "variant": "a", "seed": 0}], "command": [], "file": "",
    }  # fmt: skip
    (study / EXPERIMENT).write_text(json.dumps(plan))
    assert open_experiment(study).cells

    (study / EXPERIMENT).write_text(
        json.dumps({**plan, "cells": [{"id": "/../../mine", "variant": "a", "seed": 0}]})
    )
    with pytest.raises(GanzooError, match=r"'cells\.0\.id'"):
        open_experiment(study)

    (study / EXPERIMENT).write_text(json.dumps(plan))
    (study / "cell-0").symlink_to(runs[0].path)
    with pytest.raises(RefusedError, match="cell-0' is a symbolic link"):
        open_experiment(study)
    assert [run.id for run in list_runs(study.parent)] == ["aaaa", "bbbb"]


def test_weights_are_read_through_no_link_in_the_place_of_their_folder(tmp_path: Path) -> None:
    run, other = RunDir(tmp_path / "run"), RunDir(tmp_path / "other")
    other.checkpoints.mkdir(parents=True)
    (other.checkpoints / "w").write_bytes(bytes(8))
    run.path.mkdir()
    run.checkpoints.symlink_to(other.checkpoints)

    assert checkpoint.sized(other.checkpoints / "w") == bytes(8)
    with pytest.raises(RefusedError):
        checkpoint.sized(run.checkpoints / "w")
