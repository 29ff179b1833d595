"""Images that are alike, or of few kinds, are told at the end of a run; others are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

import ganzoo
from ganzoo.common.data_root import DataRoot
from ganzoo.plugin.registry import load_plugins
from ganzoo.plugin.types import ImageData, ImageShape
from ganzoo.report.run_page import run_page
from ganzoo.session import Run
from ganzoo.training.feed import pick, shape_of, to_range
from ganzoo.training.health import WARM_UP_STEPS, Health
from ganzoo.training.variety import Variety, kinds, variety

CLASSES = range(10)


@pytest.fixture(scope="module")
def digits() -> tuple[ImageData, ImageShape]:
    """Return the packaged digits and their shape."""
    spec = load_plugins().find("dataset", "digits")()
    data = spec.build(DataRoot(Path(), download=False))  # type: ignore[attr-defined]
    return data, shape_of(data, spec)  # type: ignore[arg-type]


def of(digits: tuple[ImageData, ImageShape], *classes: int, seed: int = 0) -> Tensor:
    """Return 64 different digits of these classes."""
    data, shape = digits
    assert data.labels is not None
    wanted = torch.isin(data.labels, torch.tensor(classes)).nonzero()[:, 0]
    chosen = torch.randperm(len(wanted), generator=torch.Generator().manual_seed(seed))[:64]
    return to_range(pick(data, wanted[chosen]), shape)


def looked(digits: tuple[ImageData, ImageShape], fakes: Tensor) -> Variety:
    found = variety(fakes, *digits)
    assert found is not None
    return found


@pytest.mark.parametrize("only", CLASSES)
def test_different_images_of_one_digit_are_of_few_kinds(
    digits: tuple[ImageData, ImageShape], only: int
) -> None:
    found = looked(digits, of(digits, only))

    assert found.are_few_kinds
    assert not found.are_alike
    assert found.most[0][0] == str(only)


@pytest.mark.parametrize("seed", range(20))
def test_images_of_all_digits_are_neither_alike_nor_of_few_kinds(
    digits: tuple[ImageData, ImageShape], seed: int
) -> None:
    found = looked(digits, of(digits, *CLASSES, seed=seed))

    assert not found.are_alike
    assert not found.are_few_kinds
    assert found.distance == pytest.approx(1, abs=0.1)


def test_two_digits_of_ten_are_few_and_four_are_not(
    digits: tuple[ImageData, ImageShape],
) -> None:
    assert looked(digits, of(digits, 3, 7)).are_few_kinds
    assert not looked(digits, of(digits, 0, 2, 3, 7)).are_few_kinds


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.1])
def test_one_image_with_a_little_noise_is_alike(
    digits: tuple[ImageData, ImageShape], noise: float
) -> None:
    torch.manual_seed(0)
    one = of(digits, 5)[:1]

    assert looked(digits, one + noise * torch.randn(64, *one.shape[1:])).are_alike


def test_classes_that_pixels_do_not_tell_are_not_told(
    digits: tuple[ImageData, ImageShape],
) -> None:
    import dataclasses

    data, shape = digits
    assert data.labels is not None
    mixed = data.labels[torch.randperm(len(data.labels))]

    for labels in (mixed, None):
        other = dataclasses.replace(data, labels=labels)
        found = variety(of(digits, 3), other, shape)
        assert found is not None
        assert found.kinds is None
        assert not found.are_few_kinds


def test_points_on_one_of_eight_spots_are_alike() -> None:
    torch.manual_seed(0)
    angles = torch.arange(800) % 8 / 8 * 2 * torch.pi
    spots = torch.stack([angles.cos(), angles.sin()], 1) + 0.02 * torch.randn(800, 2)
    data = ImageData(spots.view(800, 2, 1, 1), None, (), "ring", "f" * 64)
    shape = ImageShape(2, 1, 1, -1.0, 1.0)

    one = variety(spots[::8][:64].view(64, 2, 1, 1), data, shape)
    all_of_them = variety(spots[:64].view(64, 2, 1, 1), data, shape)

    assert one is not None
    assert one.are_alike
    assert all_of_them is not None
    assert not all_of_them.are_alike


def test_kinds_are_the_classes_with_the_same_entropy() -> None:
    assert kinds(torch.tensor([4, 4, 4])) == pytest.approx(1)
    assert kinds(torch.tensor([0, 3, 9, 9, 0, 3])) == pytest.approx(3)
    # exp(-(0.75 log 0.75 + 0.25 log 0.25))
    assert kinds(torch.tensor([1, 1, 1, 2])) == pytest.approx(1.7547654)


@pytest.mark.parametrize(
    ("found", "event"),
    [
        (Variety(64, 0.29), "alike_at_the_end"),
        (Variety(64, 0.31), None),
        (Variety(64, 0.8, 2.4, 9.9, (("7", 40), ("1", 24))), "few_kinds"),
        (Variety(64, 0.8, 2.6, 9.9), None),
        (Variety(64, 0.8, 1.1, 2.0), "few_kinds"),
        (Variety(64, 0.8, 1.3, 2.0), None),
        (Variety(64, 0.8, 1.0, 1.7), None),
    ],
)
def test_a_trouble_at_the_end_is_told_with_what_to_try(found: Variety, event: str | None) -> None:
    told: list[str] = []
    noted: list[str] = []
    watch = Health(1.0, told.append)

    watch.watch_end(5000, found, noted.append)

    assert [each["event"] for each in watch.events] == ([event] if event else [])
    assert len(told) == (event is not None)
    assert all("the generator has collapsed: try" in text for text in told)
    assert noted == []


def test_a_short_run_is_told_to_train_longer() -> None:
    told: list[str] = []

    Health(1.0, pytest.fail).watch_end(WARM_UP_STEPS, Variety(64, 0.1), told.append)

    assert "500 steps are too few to judge it: train longer" in told[0]


def test_a_run_whose_tiles_are_all_one_says_so_at_its_end_and_on_its_page(run: Run) -> None:
    (event,) = json.loads((run.path / "result.json").read_text())["health"]

    assert event["event"] == "alike_at_the_end"
    assert "4 steps are too few to judge it: train longer" in event["text"]
    assert "of what real images do" in run_page(run.folder)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("recipe", ["dcgan_digits", "toy_ring"])
def test_a_shipped_recipe_raises_no_alarm(recipe: str, tmp_path: Path) -> None:
    own: dict[str, object] = {"metric": []}

    trained = ganzoo.run(recipe, own, out=tmp_path, device="cpu", threads=1, quiet=True)

    events = {each["event"] for each in trained.result["health"]}
    assert not events & {"alike_at_the_end", "few_kinds"}
