"""Data with something beside its images: pairs, two folders, edges; what training sees of them."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganzoo.common.data_root import DataRoot
from ganzoo.common.errors import DataError
from ganzoo.plugin.types import ImageData
from ganzoo.recipe.model import Train
from ganzoo.training.feed import Feed, shape_of
from ganzoo_datasets.pairs import ChangedDigits, Edges, Paired, Unpaired, edges

CPU = torch.device("cpu")


def picture(seed: int, width: int = 12, height: int = 12) -> Image.Image:
    found = numpy.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=numpy.uint8)
    return Image.fromarray(found)


def written(folder: Path, names: list[str], first: int = 0) -> Path:
    folder.mkdir(parents=True)
    for seed, name in enumerate(names, first):
        picture(seed).save(folder / name)
    return folder


def bytes_of(image: Image.Image) -> Tensor:
    return torch.from_numpy(numpy.array(image)).permute(2, 0, 1)


def root(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path, False)


def fed(data: ImageData, size: int = 4, **train: object) -> Feed:
    spec = Edges(path="x", size=12)
    return Feed(data, shape_of(data, spec), Train(steps=1, batch_size=size, **train), CPU)


def test_two_folders_are_paired_by_their_names(tmp_path: Path) -> None:
    names = ["b/2.png", "a.png", "c.png"]
    (tmp_path / "photos/b").mkdir(parents=True)
    (tmp_path / "drawings/b").mkdir(parents=True)
    for seed, name in enumerate(names):
        picture(seed).save(tmp_path / "photos" / name)
        picture(100 + seed).save(tmp_path / "drawings" / name.replace(".png", ".bmp"))

    data = Paired(path="photos", inputs="drawings", size=12).build(root(tmp_path))

    order = sorted(range(3), key=lambda at: names[at])
    assert data.inputs is not None
    assert data.paired
    for place, seed in enumerate(order):
        assert torch.equal(data.images[place], bytes_of(picture(seed)))
        assert torch.equal(data.inputs[place], bytes_of(picture(100 + seed)))


def test_pictures_without_a_partner_are_all_named(tmp_path: Path) -> None:
    written(tmp_path / "photos", ["1.png", "2.png"])
    written(tmp_path / "drawings", ["2.png", "3.png"])

    with pytest.raises(DataError) as caught:
        Paired(path="photos", inputs="drawings", size=12).build(root(tmp_path))

    assert "photos' have no partner: 1.png; 1 in" in str(caught.value)
    assert "drawings' have no partner: 3.png" in str(caught.value)


@pytest.mark.parametrize("half", ["left", "right"])
def test_halves_of_one_picture_are_a_pair(half: str, tmp_path: Path) -> None:
    (tmp_path / "both").mkdir()
    both = picture(0, width=24)
    both.save(tmp_path / "both/1.png")

    data = Paired(path="both", size=12, input_half=half).build(root(tmp_path))  # type: ignore[arg-type]

    sides = bytes_of(both).split(12, dim=2)
    assert data.inputs is not None
    assert torch.equal(data.inputs[0], sides[half == "right"])
    assert torch.equal(data.images[0], sides[half == "left"])


def test_a_broken_one_takes_its_partner_with_it(tmp_path: Path) -> None:
    written(tmp_path / "photos", ["1.png", "2.png", "3.png"])
    written(tmp_path / "drawings", ["1.png", "2.png", "3.png"], 100)
    (tmp_path / "drawings/2.png").write_bytes(b"no picture")
    spec = Paired(path="photos", inputs="drawings", size=12)
    with pytest.raises(DataError, match=r"2\.png"):
        spec.build(root(tmp_path))

    data = spec.model_copy(update={"on_bad": "skip"}).build(root(tmp_path))

    assert data.inputs is not None
    assert len(data) == len(data.inputs) == 2
    assert torch.equal(data.images[1], bytes_of(picture(2)))
    assert torch.equal(data.inputs[1], bytes_of(picture(102)))
    assert any("left out" in note for note in data.notes)


def test_a_pair_is_cropped_and_mirrored_alike(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(8)]
    written(tmp_path / "photos", names)
    written(tmp_path / "same", names)
    spec = Paired(path="photos", inputs="same", size=12, larger=5, flip=True)

    feed = fed(spec.build(root(tmp_path)))
    seen = [feed(number) for number in range(6)]

    for batch in seen:
        assert batch.images.shape == (4, 3, 12, 12)
        assert torch.equal(batch.images, batch.inputs)
    # Every pass sees others, and the same again in another process.
    again = fed(spec.build(root(tmp_path)))
    assert all(torch.equal(batch.images, again(n).images) for n, batch in enumerate(seen))
    crops = {image.numpy().tobytes() for batch in seen for image in batch.images}
    assert len(crops) > 20  # of 24, among 36 crops and their mirror images


def test_unpaired_ones_are_drawn_each_on_their_own(tmp_path: Path) -> None:
    written(tmp_path / "photos", [f"{number}.png" for number in range(6)])
    written(tmp_path / "paintings", [f"{number}.png" for number in range(5)], 50)
    data = Unpaired(path="photos", inputs="paintings", size=12).build(root(tmp_path))
    assert data.inputs is not None
    assert not data.paired
    assert (len(data.images), len(data.inputs)) == (6, 5)

    feed = fed(data, 2)
    known = torch.stack([each.float() * (2 / 255) - 1 for each in data.inputs])
    order: list[int] = []
    for number in range(10):
        inputs = feed(number).inputs
        assert inputs is not None
        apart = (inputs[:, None] - known).abs().flatten(2).sum(2)
        assert float(apart.min(1).values.max()) < 1e-3
        order += apart.argmin(1).tolist()
    for epoch in range(4):  # five a pass, which begins in the middle of a batch
        assert sorted(order[5 * epoch : 5 * epoch + 5]) == list(range(5))
    assert order[:5] != order[5:10]


def test_edges_are_black_where_grey_levels_step() -> None:
    images = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    images[..., 8:] = 100

    found = edges(images, 1.0)[0, 0]

    assert bool((found[:, :6] == 255).all())
    assert bool((found[:, 10:] == 255).all())
    # By hand: the blurred step of 100 is 0, 25, 75, 100, whose slopes are 25, 75, 75, 25.
    assert found[8].tolist()[6:10] == [230, 180, 180, 230]


def test_edges_of_a_folder_are_beside_its_pictures(tmp_path: Path) -> None:
    written(tmp_path / "photos", ["1.png", "2.png"])

    data = Edges(path="photos", size=12, gain=1.5).build(root(tmp_path))

    assert data.inputs is not None
    assert data.inputs[1].shape == (1, 12, 12)
    assert torch.equal(data.inputs[1], edges(data.images[1][None], 1.5)[0])
    plain = Edges(path="photos", size=12, gain=2.0).build(root(tmp_path))
    assert data.fingerprint != plain.fingerprint


@pytest.mark.parametrize("change", ["invert", "rotate"])
def test_no_digit_has_its_change_among_the_others(change: str, tmp_path: Path) -> None:
    pairs = ChangedDigits(change=change, paired=True).build(root(tmp_path))  # type: ignore[arg-type]
    alone = ChangedDigits(change=change).build(root(tmp_path))  # type: ignore[arg-type]

    assert isinstance(pairs.inputs, Tensor)
    changed = 255 - pairs.inputs if change == "invert" else torch.rot90(pairs.inputs, 1, (2, 3))
    assert torch.equal(pairs.images, changed)
    assert isinstance(alone.images, Tensor)
    assert isinstance(alone.inputs, Tensor)
    assert torch.equal(alone.inputs, pairs.inputs[0::2])
    assert torch.equal(alone.images, pairs.images[1::2])
    assert not alone.paired
