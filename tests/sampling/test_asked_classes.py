"""Classes to order: rows of them, walks between them, and what cannot be asked for."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from small_recipe import small

import ganzoo as library
from ganzoo.cli.app import ganzoo
from ganzoo.common.errors import GanzooError
from ganzoo.common.text import listed
from ganzoo.report.sheets import to_pixels
from ganzoo.session import Run
from ganzoo.training.labels import class_number

CELL = 30
"""Of a sheet of digits: 28 pixels and the gap."""


def trained(folder: Path, labels: str) -> Run:
    """Return a run whose generator is told classes in one of the built-in ways."""
    (folder / "r.toml").write_text(small())
    told = {"generator.labels": labels, "discriminator.labels": "maps"}
    return library.run(folder / "r.toml", told, out=folder / "runs", device="cpu", offline=True,
                       quiet=True)  # fmt: skip


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run whose generator looks classes up."""
    return trained(tmp_path_factory.mktemp("embedded"), "embedding")


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run whose generator is given a 1 for the class and 0 for the others."""
    return trained(tmp_path_factory.mktemp("hard"), "one_hot")


def call(*words: str | Path) -> Result:
    """Call the command line in this process."""
    return CliRunner().invoke(ganzoo, [str(word) for word in words])


def written(result: Result) -> Path:
    """Return the file that a command has named."""
    assert result.exit_code == 0, result.output
    return Path(result.stdout.replace("\n", ""))


def test_every_class_is_a_row_of_the_same_latents(embedded: Run) -> None:
    every = embedded.sample(3, seed=4, label="all")

    assert every.shape == (30, 1, 28, 28)
    for number, row in enumerate(torch.split(every, 3)):
        alone = embedded.sample(3, seed=4, label=number)
        assert torch.allclose(row, alone, atol=1e-6)
        assert not torch.allclose(row, embedded.sample(3, seed=4, label=(number + 1) % 10))
    assert every.picture().size == (3 * CELL + 2, 10 * CELL + 2)


def test_classes_are_asked_for_by_name_and_by_number_in_any_order(embedded: Run) -> None:
    assert torch.equal(embedded.sample(2, label=["7", 3]), embedded.sample(2, label=[7, "3"]))
    assert embedded.sample(70, label=[7, 3]).shape[0] == 140
    assert torch.allclose(
        embedded.sample(70, label=[7, 3])[70:], embedded.sample(70, label=3), atol=1e-6
    )


def test_a_walk_between_classes_keeps_its_latent_and_blends_what_is_looked_up(
    embedded: Run,
) -> None:
    model = embedded.generator
    frames = list(model.walk(9, label=[2, 5], walkers=2))

    assert model.blends_classes
    ends = [next(iter(model.walk(1, label=one, walkers=2))) for one in (2, 5)]
    assert torch.allclose(frames[0], ends[0], atol=1e-6)
    assert torch.allclose(frames[8], ends[1], atol=1e-6)
    steps = [float((b - a).abs().mean()) for a, b in itertools.pairwise(frames)]
    assert min(steps) > 0
    assert max(steps) < 0.5 * float((ends[1] - ends[0]).abs().mean())


def test_what_lies_half_way_is_the_mean_of_the_two_rows_of_the_table(embedded: Run) -> None:
    model = embedded.generator
    middle = list(model.walk(3, label=[2, 5]))[1]

    table = next(m for m in model.network.modules() if isinstance(m, torch.nn.Embedding))
    before = table.weight.data.clone()
    table.weight.data[2] = (before[2] + before[5]) / 2
    expected = next(iter(model.walk(1, label=2)))
    table.weight.data.copy_(before)

    assert torch.allclose(middle, expected, atol=1e-6)


def test_where_nothing_lies_between_two_classes_the_walk_visits_them(hard: Run) -> None:
    model = hard.generator
    frames = list(model.walk(label=[2, 5, 8]))

    assert not model.blends_classes
    assert len(frames) == 3
    for frame, label in zip(frames, (2, 5, 8), strict=True):
        assert torch.allclose(frame, next(iter(model.walk(1, label=label))), atol=1e-6)


def test_a_film_through_all_classes_comes_back_to_the_first(embedded: Run) -> None:
    model = embedded.generator
    film = list(model.walk(label="all", closed=True))

    assert len(film) == model.frames_of("all", closed=True) == 80
    assert torch.allclose(film[72], next(iter(model.walk(1, label=9))), atol=1e-6)
    assert not torch.allclose(film[79], film[72])
    assert float((film[79] - film[0]).abs().mean()) < float((film[72] - film[0]).abs().mean())


def test_the_command_makes_a_grid_a_strip_and_a_film(embedded: Run, tmp_path: Path) -> None:
    grid = call("sample", embedded.path, "--label", "all", "-n", "4")
    strip = call("sample", embedded.path, "--walk", "--label", "3", "--label", "7")
    film = call("sample", embedded.path, "--gif", "--label", "all", "--file", tmp_path / "w.gif")

    path = written(grid)
    assert path.name == "samples-step000002-seed0-all-n4.png"
    assert "rows from the top: 0, 1, 2," in grid.stderr
    expected = to_pixels(embedded.sample(4, label="all"), embedded.generator.image)
    with Image.open(path) as picture:
        assert picture.size == (4 * CELL + 2, 10 * CELL + 2)
        corner = picture.getpixel((2 + 3 * CELL, 2 + 9 * CELL))
    assert corner == int(expected[39, 0, 0, 0])
    assert "one latent through 3, 7; between two classes" in " ".join(strip.stderr.split())
    with Image.open(written(strip)) as picture:
        assert picture.size == (9 * CELL + 2, CELL + 2)
    with Image.open(written(film)) as picture:
        assert picture.n_frames == 80  # type: ignore[attr-defined]


def test_single_files_of_several_classes_come_class_by_class(embedded: Run, tmp_path: Path) -> None:
    done = call("sample", embedded.path, "--label", "1", "--label", "2", "-n", "3", "--single",
                "--file", tmp_path / "fakes")  # fmt: skip

    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "fakes").glob("*.png"))) == 6
    expected = to_pixels(embedded.sample(3, label=2), embedded.generator.image)
    with Image.open(tmp_path / "fakes" / "000003.png") as picture:
        assert picture.tobytes() == expected[0].numpy().tobytes()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--label", "cat"), "no class 'cat'; there are 0, 1, 2"),
        (("--label", "10"), "no class '10'"),
        (("--label", "all", "--label", "3"), "no class 'all'"),
        (("--label", "all", "-n", "2000"), "20,000 images do not fit on one sheet"),
        (("--walk", "--label", "all", "-n", "4"), "10 classes has at least as many frames, not 4"),
    ],
)
def test_what_cannot_be_asked_for_is_told(embedded: Run, words: tuple[str, ...], told: str) -> None:
    result = call("sample", embedded.path, *words)

    assert result.exit_code == 2
    assert told in " ".join(result.output.split())


def test_a_run_without_labels_says_so(run: Run) -> None:
    for label in ("all", 3, ["a", "b"]):
        with pytest.raises(GanzooError, match="'transpose' is not class-conditional"):
            run.sample(2, label=label)


def test_a_thousand_classes_do_not_fill_the_screen() -> None:
    names = [f"class {number}" for number in range(1000)]

    assert listed(names) == "1,000: " + ", ".join(names[:11]) + ", … class 999"
    with pytest.raises(GanzooError, match="did you mean") as caught:
        class_number("class 77x", names)
    assert len(str(caught.value)) < 250
