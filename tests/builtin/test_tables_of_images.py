"""Datasets of the Hugging Face library and HDF5 files: as a folder of the same; no network."""

from __future__ import annotations

import pickle
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganzoo.api import DataError, DataRoot, FetchError, ImageData
from ganzoo_datasets import image_files
from ganzoo_datasets.folder import Folder
from ganzoo_datasets.hdf5 import Hdf5
from ganzoo_datasets.hugging_face import HuggingFace

COUNT = 12
KINDS = ["dog", "cat", "owl"]
"""Names of classes in an order of their own."""


def pixels(number: int) -> Any:
    """Return one picture, ``[9, 8, 3]``."""
    return np.random.default_rng(number).integers(256, size=(9, 8, 3), dtype=np.uint8)


def png(number: int) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels(number)).save(buffer, "PNG")
    return buffer.getvalue()


def as_folder(place: Path) -> Tensor:
    """Return the same pictures as a folder gives them."""
    (place / "plain").mkdir()
    for number in range(COUNT):
        (place / "plain" / f"{number:03}.png").write_bytes(png(number))
    images = Folder(path="plain", size=8).build(DataRoot(place)).images
    assert isinstance(images, Tensor)
    return images


def labels_of(data: ImageData) -> list[int]:
    assert data.labels is not None
    return [int(label) for label in data.labels]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """Return a data folder with 'hub', a folder of parquet files as the hub has them."""
    datasets = pytest.importorskip("datasets", reason="needs the Hugging Face library 'datasets'")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    kinds = datasets.Features(
        {
            "picture": datasets.Image(),
            "kind": datasets.ClassLabel(names=KINDS),
            "name": datasets.Value("string"),
        }
    )
    for split, numbers in (("train", range(COUNT)), ("test", range(100, 103))):
        table = datasets.Dataset.from_dict(
            {
                "picture": [{"bytes": png(number), "path": None} for number in numbers],
                "kind": [number % 3 for number in numbers],
                "name": [f"n{number % 2}" for number in numbers],
            },
            features=kinds,
        )
        (tmp_path / "hub" / "data").mkdir(parents=True, exist_ok=True)
        table.to_parquet(tmp_path / "hub" / "data" / f"{split}-00000-of-00001.parquet")
        table.save_to_disk(tmp_path / "saved" if split == "train" else tmp_path / "other")
    return DataRoot(tmp_path, download=False)


@pytest.mark.slow
def test_a_folder_of_parquet_is_a_data_set(hub: DataRoot) -> None:
    data = HuggingFace(path="hub", size=8, test_split="test").build(hub)
    tested = HuggingFace(path="hub", size=8, test_split="test").build(hub, "test")

    assert isinstance(data.images, Tensor)
    assert torch.equal(data.images, as_folder(hub.path))
    assert data.classes == tuple(KINDS)
    assert labels_of(data) == [number % 3 for number in range(COUNT)]
    assert (len(tested), labels_of(tested)) == (3, [1, 2, 0])
    assert tested.fingerprint != data.fingerprint

    # The same rows as the library saves them, with texts for labels, and without any.
    saved = HuggingFace(path="saved", size=8).build(hub)
    named = HuggingFace(path="saved", size=8, image="picture", label="name").build(hub)
    bare = HuggingFace(path="saved", size=8, label="none").build(hub)
    assert saved.fingerprint == data.fingerprint
    assert (named.classes, labels_of(named)[:3]) == (("n0", "n1"), [0, 1, 0])
    assert bare.labels is None
    assert len({each.fingerprint for each in (saved, named, bare)}) == 3


@pytest.mark.slow
def test_rows_are_kept_or_read_later_as_files_are(
    hub: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = HuggingFace(path="saved", size=8, holdout=0.4)
    resident, tested = spec.build(hub), spec.build(hub, "test")
    assert len(resident) + len(tested) == COUNT
    assert isinstance(resident.images, Tensor)
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(image_files, "KEPT", 0)

    kept = spec.build(hub)
    assert list(tmp_path.glob("cache/images/*.pixels"))
    monkeypatch.setattr(image_files, "KEPT", 1 << 40)
    monkeypatch.setattr(image_files, "RESIDENT", 0)
    later = spec.build(hub)
    copied = pickle.loads(pickle.dumps(later.images))

    assert isinstance(kept.images, Tensor)
    assert torch.equal(kept.images, resident.images)
    assert resident.fingerprint == kept.fingerprint == later.fingerprint
    for at in range(len(resident)):
        assert torch.equal(later.images[at], resident.images[at])
        assert torch.equal(copied[at], resident.images[at])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"split": "validation"}, "no split is named 'validation'; there are '"),
        ({"image": "img"}, "no column is named 'img'; there are 'picture', 'kind', 'name'"),
        ({"label": "picture"}, "column 'picture': "),
        ({"path": "./nowhere"}, "'./nowhere' is neither in the data folder"),
    ],
    ids=["split", "image", "label", "path"],
)
def test_what_a_data_set_lacks_is_said(hub: DataRoot, chosen: dict[str, str], said: str) -> None:
    with pytest.raises(DataError) as error:
        HuggingFace(**{"path": "hub", "size": 8, **chosen}).build(hub)  # type: ignore[arg-type]

    assert said in str(error.value)


@pytest.mark.slow
def test_a_name_on_the_hub_that_is_not_here_is_not_looked_for_offline(hub: DataRoot) -> None:
    with pytest.raises(
        FetchError, match=r"'nobody/nothing' is not a folder .*downloading is switch"
    ):
        HuggingFace(path="nobody/nothing", size=8).build(hub)


@pytest.fixture
def stacks(tmp_path: Path) -> DataRoot:
    """Return a data folder with 'set.h5', the same pictures as stacks."""
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    with h5py.File(tmp_path / "set.h5", "w") as file:
        whole = np.stack([pixels(number) for number in range(COUNT)])
        file["images"] = whole
        file["train/first"] = whole.transpose(0, 3, 1, 2)
        file["grey"] = whole[..., 0].astype(np.uint16) * 257
        file["kinds"] = [[number % 3 + 5] for number in range(COUNT)]
        file["names"] = [f"n{number % 2}" for number in range(COUNT)]
    return DataRoot(tmp_path)


def test_a_stack_in_an_hdf5_file_is_a_data_set(stacks: DataRoot) -> None:
    data = Hdf5(path="set.h5", size=8, labels="kinds").build(stacks)
    first = Hdf5(path="set.h5", size=8, images="train/first", labels="names").build(stacks)
    grey = Hdf5(path="set.h5", size=8, images="grey", channels=1).build(stacks)

    assert isinstance(data.images, Tensor)
    assert isinstance(first.images, Tensor)
    assert torch.equal(data.images, as_folder(stacks.path))
    assert torch.equal(first.images, data.images)
    assert (data.classes, labels_of(data)[:4]) == (("5", "6", "7"), [0, 1, 2, 0])
    assert (first.classes, labels_of(first)[:3]) == (("n0", "n1"), [0, 1, 0])
    assert isinstance(grey.images, Tensor)
    assert grey.images.shape == (COUNT, 1, 8, 8)
    assert torch.equal(grey.images[:, 0], data.images[:, 0])
    assert Hdf5(path="set.h5", size=8).build(stacks).fingerprint != data.fingerprint


def test_a_stack_is_read_later_by_workers_too(
    stacks: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = Hdf5(path="set.h5", size=8, labels="kinds")
    resident = spec.build(stacks)
    monkeypatch.setattr(image_files, "RESIDENT", 0)
    later = spec.build(stacks)
    copied = pickle.loads(pickle.dumps(later.images))

    assert not isinstance(later.images, Tensor)
    for at in range(COUNT):
        assert torch.equal(later.images[at], resident.images[at])
        assert torch.equal(copied[at], resident.images[at])


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"images": "imgs"}, "no array is named 'imgs'; there are 'grey', 'images', "),
        ({"images": "kinds"}, "'kinds' is int64 of shape (12, 1), not a stack of pictures"),
        ({"labels": "grey"}, "labels are one integer or one string for each of 12 pictures"),
        ({"path": "text.h5"}, "text.h5': "),
        ({"path": "none.h5"}, "'none.h5' is neither in the data folder"),
    ],
    ids=["name", "shape", "labels", "no HDF5", "not there"],
)
def test_what_an_hdf5_file_lacks_is_said(
    stacks: DataRoot, chosen: dict[str, str], said: str
) -> None:
    (stacks.path / "text.h5").write_text("no HDF5")

    with pytest.raises(DataError) as error:
        Hdf5(**{"path": "set.h5", "size": 8, **chosen}).build(stacks)  # type: ignore[arg-type]

    assert said in str(error.value)


@pytest.mark.parametrize(
    ("library", "spec"),
    [
        ("datasets", HuggingFace(path="hub", size=8)),
        ("h5py", Hdf5(path="set.h5", size=8)),
    ],
)
def test_a_missing_library_is_named_with_its_extra(
    library: str, spec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, library, None)

    with pytest.raises(DataError, match=r"pip install 'ganzoo-torch\[(datasets|hdf5)\]'"):
        spec.build(DataRoot(tmp_path))
