"""What a generator lets be changed after training: ``ganzoo sample --set``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image
from small_recipe import small

import ganzoo as library
from ganzoo.cli.app import ganzoo
from ganzoo.report.sheets import GAP

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


def cut(picture: Path, columns: int) -> list[bytes]:
    """Return the images of a sheet, row by row."""
    with Image.open(picture) as sheet:
        side = (sheet.width - GAP) // columns
        rows = (sheet.height - GAP) // side
        return [
            sheet.crop((x * side + GAP, y * side + GAP, (x + 1) * side, (y + 1) * side)).tobytes()
            for y in range(rows)
            for x in range(columns)
        ]


def test_a_code_is_chosen_when_images_are_made(coded: Path) -> None:
    words = ("sample", coded, "-n", "8", "--plugin", PLUGIN)

    plain, one, two = (
        Path(call(*words, *more).stdout.strip().replace("\n", ""))
        for more in ((), ("--set", "generator.code=1"), ("--set", "generator.code=2"))
    )

    assert len({plain.read_bytes(), one.read_bytes(), two.read_bytes()}) == 3
    assert one.name.endswith("-code_1-n8.png")


def test_a_code_moves_along_a_row_whose_latent_stays(coded: Path, tmp_path: Path) -> None:
    words = ("sample", coded, "--plugin", PLUGIN, "--file")
    rows = ("--move", "generator.code=[0,1,2]", "--move", "generator.code=[2,0]")

    done = call(*words, tmp_path / "rows.png", "-n", "2", *rows)

    assert done.exit_code == 0, done.output
    cells = cut(tmp_path / "rows.png", 3)
    assert len(cells) == 12
    assert cells[0] == cells[4]
    assert cells[2] == cells[3]
    assert len({*cells[:3]}) == 3
    assert not any(cells[5])  # the second row is shorter
    assert cells[6] != cells[0]  # another latent
    call(*words, tmp_path / "one.png", "-n", "2", "--set", "generator.code=1")
    assert cut(tmp_path / "one.png", 2)[:2] == [cells[1], cells[7]]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--move", "generator.code=1"), "needs a key and a list of values"),
        (("--move", "generator.code=[]"), "needs a key and a list of values"),
        (("--move", "generator.codes=[3]"), "generator.codes: fixed by training"),
        (("--move", "generator.code=[1]", "--walk"), "lays out a sheet of its own"),
    ],
)
def test_what_does_not_move_is_told(coded: Path, words: tuple[str, ...], told: str) -> None:
    done = call("sample", coded, "--plugin", PLUGIN, *words)

    assert done.exit_code == 2
    assert told in " ".join(done.output.split())


def test_what_training_fixed_cannot_be_changed_afterwards(coded: Path) -> None:
    done = call("sample", coded, "--plugin", PLUGIN, "--set", "generator.codes=3")

    assert done.exit_code == 2
    assert "generator.codes: fixed by training" in done.output
    assert "allows these changes when sampling: generator.code" in " ".join(done.output.split())
