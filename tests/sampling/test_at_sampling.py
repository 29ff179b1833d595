"""What a generator lets be changed after training: ``ganzoo sample --set``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from small_recipe import small

import ganzoo as library
from ganzoo.cli.app import ganzoo

PLUGIN = Path(__file__).parents[1] / "plugin" / "third_party" / "infogan.py"


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run whose generator takes a code."""
    folder = tmp_path_factory.mktemp("coded")
    recipe = folder / "r.toml"
    recipe.write_text(small())
    made = library.run(
        recipe, {"generator": {"use": "zoo_coded"}}, plugins=[PLUGIN], out=folder / "runs",
        device="cpu", offline=True, quiet=True,
    )  # fmt: skip
    return made.path


def call(*words: str | Path) -> Result:
    """Call the command line in this process."""
    return CliRunner().invoke(ganzoo, [str(word) for word in words])


def test_a_code_is_chosen_when_images_are_made(coded: Path) -> None:
    words = ("sample", coded, "-n", "8", "--plugin", PLUGIN)

    plain, one, two = (
        Path(call(*words, *more).stdout.strip().replace("\n", ""))
        for more in ((), ("--set", "generator.code=1"), ("--set", "generator.code=2"))
    )

    assert len({plain.read_bytes(), one.read_bytes(), two.read_bytes()}) == 3
    assert one.name.endswith("-code_1-n8.png")


def test_what_training_fixed_cannot_be_changed_afterwards(coded: Path) -> None:
    done = call("sample", coded, "--plugin", PLUGIN, "--set", "generator.codes=3")

    assert done.exit_code == 2
    assert "generator.codes: was fixed by training" in done.output
    assert "lets be changed when it is sampled: generator.code" in " ".join(done.output.split())
