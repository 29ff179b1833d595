"""SIGINT, SIGTERM and SIGHUP: the step is finished, the run saved, the right code returned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from children import TINY, differing, digest, run_child, train, write_recipe
from PIL import Image

LONG = TINY.replace("steps = 12", "steps = 100000").replace("every = 4\nkeep", "every = 0\nkeep")
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def start(recipe: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    """Start ``ganzoo run`` in a process group of its own and wait until it trains."""
    child = subprocess.Popen(
        [sys.executable, "-c", "from ganzoo.cli import main; main()", "run", str(recipe), "--out",
         str(out), "--threads", "1", "--device", "cpu", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 100
    while not list(out.glob("*/*/log.jsonl")):
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return child


@pytest.mark.parametrize(
    "number",
    [
        # The command line's tests send two of them in every run of the suite.
        pytest.param(each, marks=pytest.mark.slow)
        for each in CODES
    ],
    ids=lambda number: number.name,
)
def test_a_signal_saves_the_run_and_says_how_to_go_on(
    tmp_path: Path, number: signal.Signals
) -> None:
    to_group = number != signal.SIGTERM
    child = start(write_recipe(tmp_path, LONG), tmp_path / "runs")

    (os.killpg if to_group else os.kill)(child.pid, number)
    _, told = child.communicate(timeout=60)

    assert child.returncode == CODES[number]
    assert "Traceback" not in told
    assert "ganzoo resume" in told
    (run,) = (tmp_path / "runs").glob("*/*")
    status = (run / "status.json").read_text()
    assert '"interrupted"' in status
    assert number.name in status
    assert len(list((run / "checkpoints").glob("*"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_stopped_with_loader_workers_resumes_bitwise(tmp_path: Path, workers: int) -> None:
    recipe = write_recipe(tmp_path)
    assert run_child(train, recipe, tmp_path / "whole") == 0
    assert run_child(train, recipe, tmp_path / "run", (), 5, workers, True) == 143
    assert run_child(train, recipe, tmp_path / "run", (), 0, workers, True) == 0

    assert differing(digest(tmp_path / "whole"), digest(tmp_path / "run")) == set()


def test_a_second_ctrl_c_stops_at_once_and_leaves_no_torn_file(tmp_path: Path) -> None:
    child = start(write_recipe(tmp_path, LONG), tmp_path / "runs")

    os.killpg(child.pid, signal.SIGINT)
    os.killpg(child.pid, signal.SIGINT)
    _, told = child.communicate(timeout=60)

    assert child.returncode == 130
    assert "Traceback" not in told
    assert not list((tmp_path / "runs").rglob("*.tmp-*"))


@pytest.mark.slow
def test_ctrl_c_while_spawned_workers_start_is_no_bug(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for number in range(40):
        Image.new("L", (8, 8), number).save(tmp_path / "set" / f"{number}.png")
    text = LONG.replace('"digits"', f'"folder"\npath = "{tmp_path}/set"')
    recipe = write_recipe(tmp_path, text)

    # The second loader is the training's; the first, the trial's before it.
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("spawned.py")), "2", "run", str(recipe),
         "--out", str(tmp_path / "runs"), "--threads", "1", "--device", "cpu", "--workers", "2"],
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=300,
    )  # fmt: skip

    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr
    assert "ganzoo resume" in done.stderr
