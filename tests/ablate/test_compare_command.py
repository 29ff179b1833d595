"""``ganzoo compare`` as it is typed."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from experiments import experiment

SIX = {seed: 10.0 + seed for seed in range(6)}
SCORES = {"base": SIX, "new": {seed: 0.8 * value for seed, value in SIX.items()}}
PROGRAM = """
import sys
from ganzoo.cli import main
try:
    main()
finally:
    heavy = [name for name in ("torch", "pandas", "matplotlib") if name in sys.modules]
    print("heavy", heavy, file=sys.stderr)
"""


def ganzoo(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=False
    )


def test_an_experiment_is_compared_without_torch(tmp_path: Path) -> None:
    experiment(tmp_path / "runs/x", SCORES)

    done = ganzoo("compare", "x", "--out", str(tmp_path / "runs"))

    assert done.returncode == 0, done.stderr
    assert "heavy []" in done.stderr
    assert "new: better; frechet ×0.8" in done.stdout
    assert "new differs in loss.use: bce → new" in done.stdout


@pytest.mark.parametrize("form", ["--json", "--csv", "--markdown"])
def test_other_programs_get_it_in_their_form(tmp_path: Path, form: str) -> None:
    made = experiment(tmp_path / "x", SCORES)

    done = ganzoo("compare", str(made.path), form)

    assert done.returncode == 0, done.stderr
    if form == "--json":
        assert json.loads(done.stdout)["comparisons"][0]["rows"][1]["difference"]["n"] == 6
    elif form == "--csv":
        assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == 12
    else:
        assert "| base | 12.5 ± 1.9 |" in done.stdout


def test_a_name_that_means_nothing_is_told(tmp_path: Path) -> None:
    done = ganzoo("compare", "nowhere", "--out", str(tmp_path))

    assert done.returncode == 2
    assert "no run named 'nowhere'" in done.stderr
