"""A folder of single pictures is of one model, seed and label, and says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import ganzoo
from ganzoo.cli.app import ganzoo as program
from ganzoo.sampling.made import NAME
from ganzoo.session import Run


def sample(run: Path, into: Path, *more: str) -> Result:
    words = ["sample", str(run), "-n", "3", "--single", "--file", str(into), *more]
    return CliRunner().invoke(program, words)


@pytest.fixture
def made(run: Run, tmp_path: Path) -> Path:
    """Return a folder with three pictures."""
    assert sample(run.path, tmp_path / "fakes").exit_code == 0
    return tmp_path / "fakes"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_made_the_pictures_is_kept_beside_them(run: Run, made: Path) -> None:
    said = json.loads((made / NAME).read_text())

    assert (said["step"], said["seed"], said["label"], said["count"]) == (4, 0, [], 3)
    assert said["run"] == str(run.path)
    assert len(said["weights"]) == 64


def test_another_seed_does_not_find_its_pictures_there(run: Run, made: Path) -> None:
    before = contents(made)

    result = sample(run.path, made, "--seed", "1")

    assert result.exit_code == 2
    assert "holds images made differently: seed was 0, is 1; choose another" in result.stderr
    assert contents(made) == before


def test_another_run_does_not_find_its_pictures_there(
    made: Path, tmp_path: Path, tiny: dict[str, object]
) -> None:
    other = {**tiny, "train.seed": 1, "train.steps": 2, "generator.base_channels": 5}
    second = ganzoo.run("dcgan_digits", other, out=tmp_path / "r", device="cpu", quiet=True)

    result = sample(second.path, made)

    assert result.exit_code == 2
    assert "step was 4, is 2; weights was" in result.stderr
    assert "settings generator base_channels was 4, is 5" in result.stderr


def test_a_run_that_was_moved_goes_on_with_its_pictures(
    run: Run, made: Path, tmp_path: Path
) -> None:
    whole = contents(made)
    shutil.copytree(run.path, tmp_path / "moved")
    (made / "000001.png").unlink()

    assert sample(tmp_path / "moved", made).exit_code == 0

    assert (made / "000001.png").read_bytes() == whole["000001.png"]


@pytest.mark.parametrize("said", [None, "", "[1]", "[" * 10_000])
def test_pictures_that_nothing_is_known_of_are_not_taken_for_these(
    run: Run, made: Path, said: str | None
) -> None:
    (made / NAME).unlink()
    if said is not None:
        (made / NAME).write_text(said)

    result = sample(run.path, made)

    assert result.exit_code == 2
    assert "holds pictures, 000000.png to 000002.png, and no readable" in result.stderr


def test_what_is_there_beside_them_is_told(run: Run, made: Path) -> None:
    (made / "notes.txt").write_text("mine")

    result = sample(run.path, made, "-n", "2")

    assert result.exit_code == 0
    assert "1 more than the 2 images requested, 000002.png" in result.stderr
    assert "holds other files, too: notes.txt" in result.stderr


def test_a_record_without_pictures_is_no_obstacle(run: Run, made: Path) -> None:
    for path in made.glob("*.png"):
        path.unlink()

    assert sample(run.path, made, "--seed", "1").exit_code == 0
    assert json.loads((made / NAME).read_text())["seed"] == 1


def test_an_older_checkpoint_is_told_on_stderr_with_its_step(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, copy := tmp_path / "copy")
    (copy / "generator.safetensors").unlink()
    (copy / "checkpoints" / "step-000009.safetensors").write_bytes(b"damaged")

    sampled = sample(copy, tmp_path / "fakes", "--json")
    words = ["export", str(copy), "--to", "safetensors", "--json"]
    exported = CliRunner().invoke(program, words)

    for result in (sampled, exported):
        assert result.exit_code == 0, result.stderr
        assert "step-000009.safetensors' is damaged" in result.stderr
        assert "using an older one instead" in result.stderr
        assert json.loads(result.stdout)["step"] == 4
