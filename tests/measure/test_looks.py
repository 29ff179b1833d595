"""What a finished run leaves for its page: a walk, its classes, fakes beside training images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

import ganzoo
from ganzoo.measure.looks import MOST_READ, PIXELS, _rows, neighbours
from ganzoo.plugin.types import ImageData, ImageShape
from ganzoo.session import Run

GREY = ImageShape(1, 4, 4, -1.0, 1.0, 3)


def test_a_run_without_classes_leaves_a_walk_and_neighbours(run: Run) -> None:
    told = json.loads((run.path / "looks.json").read_text())

    assert set(told) == {"step", "walk", "neighbours"}
    with Image.open(run.path / "walk.png") as walk:
        assert walk.size == (2 + 9 * 30, 2 + 2 * 30)
    assert not (run.path / "classes.png").exists()
    assert "asked" not in told["neighbours"]
    assert {"class", "distance"} == set(told["neighbours"]["near"][0][0])
    assert "Nearest training images" in (run.path / "report.html").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore")
def test_a_generator_that_takes_classes_leaves_a_row_of_each(
    tmp_path: Path, tiny: dict[str, object]
) -> None:
    run = ganzoo.run("cdcgan_digits", tiny, out=tmp_path, device="cpu", offline=True, quiet=True)

    told = json.loads((run.path / "looks.json").read_text())
    assert told["classes"]["names"] == [str(number) for number in range(10)]
    assert told["neighbours"]["asked"] == [str(number) for number in range(8)]
    with Image.open(run.path / "classes.png") as picture:
        assert picture.size == (2 + 8 * 30, 2 + 10 * 30)
        # A row is what the model makes of that class, from the latents of all rows.
        row = torch.tensor(list(picture.convert("L").tobytes())).view(302, 242)[92:120]
    model = run.generator
    made = model(model.draw(8), torch.full((8,), 3))
    wanted = ((made + 1) / 2 * 255).round().clamp(0, 255)[:, 0]
    assert torch.equal(row[:, 2:30].float(), wanted[0])


def test_the_nearest_come_first_with_class_and_distance() -> None:
    images = torch.arange(0, 250, 50, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 1, 4, 4)
    data = ImageData(images, torch.tensor([0, 1, 2, 0, 1]), ("a", "b", "c"), "", "")

    _, told = neighbours(images[2:3], data, GREY, torch.tensor([1]))

    assert told["asked"] == ["b"]
    assert told["near"][0][0] == {"distance": 0.0, "class": "c"}
    assert {each["class"] for each in told["near"][0][1:3]} == {"b", "a"}
    assert told["near"][0][1]["distance"] == pytest.approx(50 / 255, abs=1e-4)
    assert "of" not in told


class Files:
    """Many pictures, read one by one."""

    def __init__(self) -> None:
        self.read = 0

    def __len__(self) -> int:
        return 50_000

    def __getitem__(self, index: int, /) -> Tensor:
        self.read += 1
        return torch.full((1, 4, 4), index % 200, dtype=torch.uint8)


def test_of_many_pictures_on_a_disk_some_are_looked_at() -> None:
    files = Files()
    data = ImageData(files, None, (), "", "")

    _, told = neighbours(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), data, GREY)

    assert files.read == MOST_READ == told["of"]
    assert "class" not in told["near"][0][0]


def test_large_images_are_fewer() -> None:
    assert _rows(ImageShape(3, 28, 28, -1, 1, 0), 9, 2) == 2
    assert _rows(ImageShape(3, 256, 256, -1, 1, 0), 6, 8) == PIXELS // (6 * 256 * 256) == 3
    assert _rows(ImageShape(3, 2048, 2048, -1, 1, 0), 9, 2) == 1
