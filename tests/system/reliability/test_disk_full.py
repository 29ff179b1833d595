"""A disk that fills up ends the run with code 4, the last checkpoint good and nothing torn."""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path

import pytest
from children import TINY, run_child, train, write_recipe

from ganzoo.common.files import TEMPORARY
from ganzoo.runs.folder import checkpoints


def train_on_a_small_disk(recipe: Path, run: Path, most: int, overrides: tuple[str, ...]) -> None:
    """Train where no file may become larger than ``most`` bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    train(recipe, run, overrides)
    sys.exit(1)


def sizes(folder: Path, pattern: str) -> list[int]:
    """Return the sizes of the files that match."""
    return [path.stat().st_size for path in folder.rglob(pattern)]


def test_a_full_disk_at_a_checkpoint_keeps_the_one_before(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    run = tmp_path / "run"
    assert run_child(train, recipe, run, (), 4) == 143
    kept = checkpoints(run / "checkpoints")[0]
    before = kept.read_bytes()

    assert run_child(train_on_a_small_disk, recipe, run, len(before) - 100, ()) == 4

    told = (run / "error.txt").read_text()
    assert "cannot write" in told
    assert "checkpoints/step-000008" in told
    assert "make room" in told
    assert kept.read_bytes() == before
    assert not list(run.rglob(f"*{TEMPORARY}*"))
    assert '"failed"' in (run / "status.json").read_text()


@pytest.mark.parametrize(
    ("what", "steps_before", "overrides"),
    [
        ("log.jsonl", 0, ("train.log_every=1", "samples.every=0")),
        ("real.png", 0, ("samples.rows=45", "samples.columns=45")),
        ("samples/", 3, ("samples.rows=45", "samples.columns=45")),
    ],
)
def test_a_full_disk_at_any_other_write_is_named(
    tmp_path: Path, what: str, steps_before: int, overrides: tuple[str, ...]
) -> None:
    recipe = write_recipe(tmp_path, TINY.replace("steps = 12", "steps = 200"))
    run, overrides = tmp_path / "run", ("checkpoint.every=0", *overrides)
    if steps_before:
        assert run_child(train, recipe, run, (*overrides, f"train.steps={steps_before}")) == 0

    assert run_child(train_on_a_small_disk, recipe, run, 20_000, overrides) == 4

    assert what in (run / "error.txt").read_text()
    assert not list(run.rglob(f"*{TEMPORARY}*"))
    log = (run / "log.jsonl").read_text() if (run / "log.jsonl").exists() else ""
    assert log == "" or log.endswith("}\n")
