"""``ganzoo measure``: runs and folders that are there already."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from ganzoo.api import ImageData, ImageShape
from ganzoo.cli.app import ganzoo as command
from ganzoo.common.data_root import DataRoot
from ganzoo.measure import classifier as prepare
from ganzoo.measure.reference import Bench
from ganzoo.measure.scoring import measurable
from ganzoo.recipe.model import Measure
from ganzoo_datasets import Digits
from ganzoo_metrics.frechet import Frechet
from ganzoo_metrics.kernel import Kernel
from ganzoo_metrics.neighbourhoods import Neighbourhoods

SMALL = [
    "generator.base_channels=2", "discriminator.base_channels=2", "train.batch_size=8",
    "train.steps=3", "measure.samples=60", "measure.reference=80",
]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = DataRoot(tmp_path_factory.mktemp("data"), download=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganzoo.measure.fitting.LEAST_SEEN", 1280)
        patch.setattr("ganzoo.measure.fitting.PASSES", 0)
        # Into the data folder, where classifiers lay once and are still found.
        patch.setenv("GANZOO_CACHE", str(root.path))
        prepare.train_classifier(Digits(), root)
    return root.path


def ganzoo(*words: str, data: Path) -> Result:
    environment = {"GANZOO_DATA": str(data), "GANZOO_OFFLINE": "1"}
    return CliRunner().invoke(command, list(words), env=environment, standalone_mode=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    out = tmp_path_factory.mktemp("runs")
    options = [word for one in SMALL for word in ("--set", one)]
    done = ganzoo("run", "dcgan_digits", *options, "--out", str(out), "--device", "cpu", data=data)
    assert done.exception is None, done.output
    (found,) = out.glob("*/*/recipe.toml")
    return found.parent


def written(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "result.json").read_text())
    return found


def test_a_run_measured_again_has_the_very_same_scores(run: Path, data: Path) -> None:
    before = written(run)
    (run / "result.json").write_text(json.dumps(before | {"metrics": {}}))

    done = ganzoo("measure", str(run), data=data)

    assert done.exception is None, done.output
    assert "real images" in done.output
    assert written(run) == before
    with Image.open(run / "neighbours.png") as sheet:
        assert sheet.size == (6 * 30 + 2, 10 * 30 + 2)


def test_other_settings_are_printed_and_not_kept(run: Path, data: Path) -> None:
    before = written(run)

    done = ganzoo("measure", str(run), "--set", "measure.samples=70", "--json", data=data)

    result = json.loads(done.stdout)
    assert result["metrics"]["frechet"]["provenance"]["n_fake"] == 70
    assert written(run) == before


def test_measuring_cannot_change_the_run(run: Path, data: Path) -> None:
    done = ganzoo("measure", str(run), "--set", "train.seed=3", data=data)

    assert "would change the run" in done.output


def test_a_folder_of_real_images_scores_as_real(tmp_path: Path, data: Path) -> None:
    images = Digits().build(DataRoot(data), "test").images
    assert isinstance(images, torch.Tensor)
    folder = tmp_path / "images"
    folder.mkdir()
    for number, image in enumerate(images[:100]):
        Image.fromarray(image[0].numpy()).save(folder / f"{number:03}.png")

    done = ganzoo("measure", str(folder), "--dataset", "digits", "--json", data=data)

    assert done.exception is None, done.output
    metrics = json.loads(done.stdout)["metrics"]
    assert metrics["frechet"]["provenance"]["n_fake"] == 100
    assert metrics["precision"]["last"]["value"] > 0.7
    assert (tmp_path / "images-neighbours.png").is_file()


def test_a_single_image_is_not_measured(tmp_path: Path, data: Path) -> None:
    Image.new("L", (8, 8), 200).save(tmp_path / "one.png")

    done = ganzoo("measure", str(tmp_path), "--dataset", "digits", data=data)

    assert "it holds 1 image; scores need at least two" in done.output


@pytest.mark.parametrize(("images", "can"), [(1, False), (3, False), (4, True)])
def test_a_data_set_too_small_for_two_and_two_leaves_every_metric_out(
    images: int, can: bool
) -> None:
    data = ImageData(torch.zeros(images, 1, 8, 8, dtype=torch.uint8), None, (), "here", "")
    network: Any = SimpleNamespace(num_classes=0, name="none")
    bench = Bench(Measure(), ImageShape(1, 8, 8), data, None, network)

    usable, reasons = measurable([Frechet(), Kernel(), Neighbourhoods()], bench)

    assert len(usable) == (3 if can else 0)
    if not can:
        assert set(reasons) >= {"frechet", "kernel", "density"}
        assert "at least two of each" in reasons["kernel"]


def test_a_folder_needs_to_be_told_what_it_is_held_against(tmp_path: Path, data: Path) -> None:
    done = ganzoo("measure", str(tmp_path), data=data)

    assert "--dataset mnist" in done.output


def test_a_classifier_is_prepared_with_its_accuracy_and_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganzoo.measure.fitting.LEAST_SEEN", 1280)
    monkeypatch.setattr("ganzoo.measure.fitting.PASSES", 0)
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))

    done = ganzoo("measure", "prepare", "digits", "--json", data=tmp_path)

    assert done.exception is None, done.output
    facts = json.loads(done.stdout)
    assert Path(facts["file"]).parent == tmp_path / "cache" / "measure"
    card = prepare.read_card(Path(facts["file"]))
    assert facts["sha256"] == card.sha256
    assert facts["accuracy"] == card.accuracy
    assert card.tested_on == 299
