"""Walks between latents, against the geometry they claim; and the files of ``ganzoo sample``."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from ganzoo.cli.app import ganzoo
from ganzoo.recipe.model import Latent
from ganzoo.sampling.model import between
from ganzoo.session import Run

NORMAL, UNIFORM = Latent(), Latent(prior="uniform")


def call(*words: str | Path) -> Result:
    """Call the command line in this process."""
    return CliRunner().invoke(ganzoo, [str(word) for word in words])


def test_a_walk_of_normal_latents_is_the_great_circle() -> None:
    start, end = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])

    third = between(NORMAL, start, end, 1 / 3)

    expected = torch.tensor([[2 * math.cos(math.pi / 6), 2 * math.sin(math.pi / 6)]])
    assert torch.allclose(third, expected, atol=1e-6)


def test_a_walk_of_normal_latents_keeps_its_length_where_a_line_would_not() -> None:
    generator = torch.Generator().manual_seed(0)
    start, end = torch.randn(2, 50, 100, generator=generator)

    middle = between(NORMAL, start, end, 0.5)

    ends = (start.norm(dim=1) + end.norm(dim=1)) / 2
    assert float((middle.norm(dim=1) / ends).mean()) == pytest.approx(1, abs=0.05)
    assert float((torch.lerp(start, end, 0.5).norm(dim=1) / ends).mean()) < 0.8


@pytest.mark.parametrize("latent", [NORMAL, UNIFORM])
def test_a_walk_begins_and_ends_at_its_latents(latent: Latent) -> None:
    start, end = torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(1))

    assert torch.allclose(between(latent, start, end, 0.0), start, atol=1e-6)
    assert torch.allclose(between(latent, start, end, 1.0), end, atol=1e-6)


def test_equal_latents_have_a_walk_too() -> None:
    same = torch.ones(2, 4)

    assert torch.allclose(between(NORMAL, same, same, 0.3), same)


def test_a_walk_of_uniform_latents_stays_in_their_cube() -> None:
    start, end = torch.tensor([[-1.0, 1.0]]), torch.tensor([[1.0, 1.0]])

    assert torch.equal(between(UNIFORM, start, end, 0.5), torch.tensor([[0.0, 1.0]]))


def test_every_eighth_frame_is_a_latent_of_the_path_and_a_film_closes(run: Run) -> None:
    frames = list(run.generator.walk(17, seed=2))
    short = list(run.generator.walk(9, seed=2))
    film = list(run.generator.walk(16, seed=2, closed=True, walkers=3))

    assert [frame.shape for frame in frames] == [(1, 1, 28, 28)] * 17
    assert film[0].shape == (3, 1, 28, 28)
    assert not torch.equal(frames[0], frames[8])
    assert torch.isfinite(torch.cat(short)).all()
    steps = [float((b - a).abs().mean()) for a, b in zip(film, [*film[1:], film[0]], strict=True)]
    assert steps[-1] < 2 * max(steps[:-1])


def test_sample_writes_a_sheet_a_strip_and_a_film(folder: Path, tmp_path: Path) -> None:
    sheet = call("sample", folder, "-n", "10", "--seed", "1")
    strip = call("sample", folder, "--walk", "-n", "16", "--file", tmp_path / "strip.png")
    film = call("sample", folder, "--gif", "-n", "12", "--file", tmp_path / "walk.gif")

    assert [each.exit_code for each in (sheet, strip, film)] == [0, 0, 0], sheet.output
    path = Path(sheet.stdout.strip())
    assert path == folder / "made" / "samples-step000004-seed1-n10.png"
    assert Image.open(path).size == (4 * 30 + 2, 3 * 30 + 2)
    assert Image.open(tmp_path / "strip.png").size == (8 * 30 + 2, 2 * 30 + 2)
    with Image.open(tmp_path / "walk.gif") as gif:
        assert gif.n_frames == 12


def test_the_rows_of_a_walk_are_full(folder: Path, tmp_path: Path) -> None:
    call("sample", folder, "--walk", "--file", tmp_path / "strip.png")

    assert Image.open(tmp_path / "strip.png").size == (11 * 30 + 2, 3 * 30 + 2)


def test_single_files_are_streamed_and_a_stopped_command_goes_on(
    folder: Path, tmp_path: Path
) -> None:
    words = ("sample", folder, "-n", "70", "--single", "--file", tmp_path / "fakes")

    assert call(*words).exit_code == 0
    whole = {path.name: path.read_bytes() for path in (tmp_path / "fakes").iterdir()}
    for number in (66, 69):
        (tmp_path / "fakes" / f"{number:06d}.png").unlink()
    kept = (tmp_path / "fakes" / "000003.png").stat().st_mtime_ns
    assert call(*words).exit_code == 0

    again = {path.name: path.read_bytes() for path in (tmp_path / "fakes").iterdir()}
    assert len(whole) == 71  # what made them is kept beside them
    assert again == whole
    assert (tmp_path / "fakes" / "000003.png").stat().st_mtime_ns == kept
    assert Image.open(tmp_path / "fakes" / "000000.png").size == (28, 28)


def test_a_run_made_with_a_plugin_file_says_how_to_name_it(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, copy := tmp_path / "a copy")
    (copy / "plugins").mkdir()
    (copy / "plugins" / "mine.py").write_text("raise SystemExit('it ran')")

    for verb in (("sample",), ("export", "--to", "hub")):
        result = call(*verb, copy)

        assert result.exit_code == 2
        assert f"--plugin '{copy}/plugins/mine.py'" in result.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--single", "--walk"), "choose one"),
        (("--gif", "--file", "x.png"), "does not end in .gif"),
        (("--file", "x.txt"), "'x.txt' does not end in .png, .jpg, .jpeg, .webp"),
        (("--file", "samples"), "does not end in .png"),
        (("--walk", "--file", "x.gif"), "use --gif for an animation"),
        (("--walk", "-n", "1"), "2 to 1,000 frames"),
        (("-n", "20000"), "write single files"),
        (("--label", "3"), "is not class-conditional"),
        (("--device", "cuda:99"), "--device"),
    ],
)
def test_what_cannot_be_sampled_is_told(folder: Path, words: tuple[str, ...], told: str) -> None:
    result = call("sample", folder, *words)

    assert result.exit_code == 2
    assert told in result.output


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.JPEG", "JPEG"), ("a.webp", "WEBP")],
)
def test_a_sheet_has_the_format_that_its_name_says(
    folder: Path, tmp_path: Path, name: str, kind: str
) -> None:
    for option in ((), ("--walk",)):
        done = call("sample", folder, "-n", "8", *option, "--file", tmp_path / name)

        assert done.exit_code == 0, done.output
        with Image.open(tmp_path / name) as picture:
            assert picture.format == kind
