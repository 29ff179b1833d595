"""Experiments that really run, through the real command: interrupted, killed, dying, extended."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from refused import refuse
from small import FATAL, ablate, lines_of, plan, start, statuses, stop_when, tables

from ganzoo.ablate.worker import Answer, Setup, Task, perform
from ganzoo.cli.app import ganzoo as command

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which one experiment was run without interruption, as 'whole'."""
    path = tmp_path_factory.mktemp("ablate")
    code, told = ablate(path, plan(path, steps=24), "whole")
    assert code == 0, told
    return path


def test_the_same_command_again_trains_nothing_and_says_the_same(folder: Path) -> None:
    whole = folder / "whole/small"
    before = tables(whole), lines_of(whole, ["result.json", "status.json"])

    code, told = ablate(folder, folder / "small.toml", "whole")

    assert code == 0, told
    assert (tables(whole), lines_of(whole, ["result.json", "status.json"])) == before
    assert (whole / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC], ids=os.strerror)
def test_a_finished_experiment_is_compared_where_nothing_can_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    words = ["ablate", str(folder / "small.toml"), "--out", str(folder / "whole"), "--device=cpu"]

    with monkeypatch.context() as patch:
        refuse(patch, number, folder / "whole")
        done = CliRunner().invoke(command, words)

    assert done.exit_code == 0, done.output
    assert "frechet" in done.stdout
    assert "cannot write" in done.stderr
    assert "the result is complete, but a file beside it is missing" in done.stderr


@pytest.mark.parametrize(
    "number", [pytest.param(errno.EROFS, marks=pytest.mark.slow), errno.ENOSPC], ids=os.strerror
)
def test_an_unfinished_experiment_ends_with_4_where_nothing_can_be_written_and_goes_on_later(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    small = tmp_path / "small"
    shutil.copytree(folder / "whole/small", small)
    cell = next(path.parent for path in small.glob("cell-*/recipe.toml"))
    for name in ("result.json", "generator.safetensors", "report.html"):
        (cell / name).unlink()
    (cell / "status.json").write_text('{"status": "interrupted", "step": 21, "reason": ""}')
    words = ["ablate", str(folder / "small.toml"), "--out", str(tmp_path), "--device=cpu"]
    files = {path: path.read_bytes() for path in small.rglob("*") if path.is_file()}

    with monkeypatch.context() as patch:
        refuse(patch, number, small)
        done = CliRunner().invoke(command, words)
        task = perform(Task(Setup(), str(cell)))  # as where the disk is full when a worker begins

    assert done.exit_code == task.exit_code == 4, done.output
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.output
    assert os.strerror(number) in task.error
    assert {path: path.read_bytes() for path in small.rglob("*") if path.is_file()} == files
    assert perform(Task(Setup(), str(cell))) == Answer()
    assert lines_of(small, ["log.jsonl"]) == lines_of(folder / "whole/small", ["log.jsonl"])


@pytest.mark.slow
def test_cells_are_trained_and_compared_without_a_home_or_data_to_write_to(tmp_path: Path) -> None:
    small = plan(tmp_path, steps=3)
    bare = {name: value for name, value in os.environ.items() if name[:4] not in {"XDG_", "GANZ"}}

    done = subprocess.run(
        [sys.executable, "-m", "ganzoo", "ablate", str(small), "--out", str(tmp_path / "out"),
         "--device", "cpu", "--data", "/proc/data"],
        env={**bare, "HOME": "/proc"},
        capture_output=True,
        text=True,
        timeout=280,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "frechet" in done.stdout


def test_every_cell_has_a_page_as_any_run_and_the_comparison_leads_there(folder: Path) -> None:
    whole = folder / "whole/small"
    cells = sorted(path.parent.name for path in whole.glob("cell-*/recipe.toml"))

    linked = re.findall(r'href="(cell-[^"]+)/report.html"', (whole / "report.html").read_text())

    assert sorted(linked) == cells
    for cell in cells:
        shown = (whole / cell / "report.html").read_text()
        assert "samples, step 24" in shown
        assert "the baseline &#39;plain&#39; of small" in shown


@pytest.mark.slow
def test_interrupted_and_killed_it_goes_on_to_the_same_bytes(folder: Path) -> None:
    file, stopped = folder / "small.toml", folder / "stopped/small"

    first = stop_when(start(folder, file, "stopped"), stopped, 1, signal.SIGINT)
    interrupted = statuses(stopped)
    second = stop_when(start(folder, file, "stopped", "--jobs", "2"), stopped, 2, signal.SIGKILL)
    killed = statuses(stopped)
    code, told = ablate(folder, file, "stopped", "--jobs", "2")

    assert (first, second) == (130, -signal.SIGKILL)
    assert 1 <= interrupted.count("done") < 4
    assert 2 <= killed.count("done") < 4
    assert code == 0, told
    assert tables(stopped) == tables(folder / "whole/small")


@pytest.mark.slow
def test_a_further_seed_adds_cells_and_leaves_the_others_alone(folder: Path) -> None:
    whole = folder / "whole/small"
    before = lines_of(whole, ["result.json"])
    extended = folder / "more.toml"
    extended.write_text((folder / "small.toml").read_text().replace("[0, 1]", "[0, 1, 2]"))

    code, told = ablate(folder, extended, "whole", "--name", "small")

    assert code == 0, told
    after = lines_of(whole, ["result.json"])
    assert len(after) == 6
    assert before.items() <= after.items()
    assert json.loads((whole / "table.json").read_text())["seeds"] == [0, 1, 2]


@pytest.mark.slow
def test_cells_that_die_are_rows_that_say_so_and_the_others_finish(tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text(FATAL)
    more = '[variants.fatal.loss]\nuse = "fatal"\n[variants.diverging.loss]\nuse = "diverging"'
    file = plan(tmp_path, more=more)

    code, told = ablate(tmp_path, file, "out", "--plugin", "deadly.py")

    table = json.loads((tmp_path / "out/small/table.json").read_text())
    by_status = {(cell["variant"], cell["seed"]): cell for cell in table["cells"]}
    assert code == 3, told
    assert [cell["status"] for cell in table["cells"]].count("done") == 4
    assert by_status["fatal", 0]["reason"] == "the process died: it exited with code 9"
    assert "step 4" in by_status["diverging", 1]["reason"]
    assert table["comparisons"][0]["rows"][2]["failed"] == 2
    assert "no result yet; 2 of its 2 runs failed" in told


def test_what_cannot_be_built_is_told_for_all_variants_before_anything_trains(
    tmp_path: Path,
) -> None:
    more = "[variants.odd.generator]\nuse = 'upsample'\nscales = [2, 2, 2, 2, 2, 2]"
    file = plan(tmp_path, more=f"{more}\n[variants.other.generator]\nscales = [2, 2, 2, 2, 2]")

    code, told = ablate(tmp_path, file, "out")

    assert code == 2, told
    assert "variant 'odd'" in told
    assert "variant 'other'" in told
    assert "nothing was trained" in told
    assert not (tmp_path / "out").exists()


def test_a_fallback_data_set_is_refused(tmp_path: Path) -> None:
    file = plan(tmp_path)
    file.write_text(file.read_text().replace("dcgan_digits", "dcgan_mnist"))

    code, told = ablate(tmp_path, file, "out", "--offline")

    assert code == 2, told
    assert "mnist" in told
    assert not (tmp_path / "out").exists()


def test_a_dry_run_shows_the_cells_and_the_time_and_writes_nothing(tmp_path: Path) -> None:
    code, told = ablate(tmp_path, plan(tmp_path), "out", "--dry-run")

    assert code == 0, told
    assert "2 variants × 2 seeds = 4 cells of 6 steps; 4 to run, about" in told
    assert "optimizer.generator.lr: 0.0002 → 1e-05" in told
    assert not (tmp_path / "out").exists()
