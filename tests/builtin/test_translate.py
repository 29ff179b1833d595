"""Pictures of any size through a run's generator, and how near they come to their targets."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

import ganzoo
from ganzoo.cli.app import ganzoo as command
from ganzoo.session import Run
from ganzoo_metrics.pairs import psnr, ssim
from ganzoo_translation.tiles import mirrored, starts, stitched

TINY = {
    "train.steps": 2,
    "train.batch_size": 4,
    "generator.base_channels": 2,
    "generator.blocks": 1,
    "discriminator.base_channels": 2,
    "samples.rows": 1,
    "samples.columns": 2,
    "measure.samples": 16,
    "measure.reference": 32,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs")
    return ganzoo.run("cyclegan_digits", TINY, out=out, device="cpu", offline=True, quiet=True)


def call(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(command, list(words))
    assert result.exit_code == code, result.output
    return result.output


def test_both_ways_are_scored_and_shown(run: Run) -> None:
    assert {"frechet", "back_frechet"} <= run.result["metrics"].keys()
    sheet = Image.open(run.folder.sheets()[-1])
    # Two pictures in a row, each an input, its translation, a target and its own.
    assert sheet.width == 2 * (4 * 28 + 2) + 2
    assert (run.path / "generator_back.safetensors").is_file()


def test_another_run_begins_with_the_networks_that_it_names(
    run: Run, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    players = ["generator_back", "discriminator"]
    changes = {**TINY, "train.steps": 1, "train.seed": 5, "init.from": str(run.path)}

    child = ganzoo.run(
        "cyclegan_digits", {**changes, "init.networks": players, "checkpoint.keep": 3},
        out=tmp_path, device="cpu", offline=True, quiet=True,
    )  # fmt: skip

    before, begun = (
        load_file(each.path / "checkpoints" / f"step-{step:06d}.safetensors")
        for each, step in ((run, 2), (child, 0))
    )
    weights = {name for name in before if name.endswith("weight") and name.count("/") == 1}
    same = {name for name in weights if torch.equal(before[name], begun[name])}
    taken = {name for name in before if name.partition("/")[0] in players}
    assert same == weights & taken
    told = json.loads((child.path / "init.json").read_text())
    assert {each["network"] for each in told["layers"]} == set(players)
    assert told["taken"] == told["tensors"] == len(taken)
    # There is no latent to walk along: nothing is tried that cannot be drawn.
    assert not [each for each in recwarn if "not drawn" in str(each.message)]


def test_pictures_keep_their_names_and_sizes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    for name, size in (("a.png", (37, 21)), ("deep/b.jpg", (8, 50)), ("c.png", (120, 90))):
        Image.new("L", size, 200).save(tmp_path / "in" / name)
    (tmp_path / "in/bad.png").write_bytes(b"no")

    told = call(
        "translate", str(run.path), str(tmp_path / "in"), "--out", str(tmp_path / "out"),
        "--tile", "64", code=2,
    )  # fmt: skip

    assert "bad.png' cannot be read" in told
    found = {
        str(path.relative_to(tmp_path / "out")): Image.open(path).size
        for path in (tmp_path / "out").rglob("*.png")
    }
    assert found == {"a.png": (37, 21), "deep/b.png": (8, 50), "c.png": (120, 90)}


def test_a_picture_is_what_the_network_makes_of_it(run: Run, tmp_path: Path) -> None:
    given = numpy.random.default_rng(0).integers(0, 256, (28, 32), dtype=numpy.uint8)
    Image.fromarray(given).save(tmp_path / "a.png")

    for back, player in ((), "generator"), (("--back",), "generator_back"):
        out = tmp_path / player
        words = ["translate", str(run.path), str(tmp_path / "a.png"), "--out", str(out), "--json"]
        assert json.loads(call(*words, *back).partition("{")[2].join(["{", ""]))["player"] == player
        made = torch.from_numpy(numpy.array(Image.open(out / "a.png"))).float()
        network = run.model(player=player).network
        wanted = network(torch.from_numpy(given).float()[None, None] * 2 / 255 - 1)[0, 0]
        assert float(((wanted + 1) * 127.5 - made).abs().max()) <= 0.51


def test_what_it_cannot_do_is_told(run: Run, tmp_path: Path) -> None:
    assert "ganzoo translate" in call("sample", str(run.path), code=2)
    assert "there is no picture" in call("translate", str(run.path), str(tmp_path / "x"), code=2)
    (tmp_path / "in").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "in/a.png")
    words = ["translate", str(run.path), str(tmp_path / "in"), "--out", str(tmp_path / "in")]
    assert "name another --out" in call(*words, code=2)
    assert "no 'encoder'" in call("export", str(run.path), "--to", "pt2", "--player", "encoder",
                                  code=2)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("to", ["pt2", "onnx"])
@pytest.mark.parametrize("player", ["generator", "generator_back"])
def test_each_generator_is_exported_and_makes_the_same_pictures(
    to: str, player: str, run: Run, tmp_path: Path
) -> None:
    if to == "onnx":
        for package in ("onnxruntime", "onnxscript"):
            pytest.importorskip(package)
    file = tmp_path / f"g.{to}"
    call("export", str(run.path), "--to", to, "--player", player, "--file", str(file))
    if to == "pt2":
        pictures = torch.randn(5, 1, 28, 28)
        again = torch.export.load(file).module()(pictures)
        torch.testing.assert_close(again, run.model(player=player).network(pictures))
    assert file.stat().st_size > 0


def shifted(images: Tensor) -> Tensor:
    """Return what a network with a reach of three pixels makes, and no border of its own."""
    kernel = torch.arange(49.0, dtype=torch.double).view(1, 1, 7, 7) / 1000
    return torch.nn.functional.conv2d(images, kernel, padding=3)


def test_tiles_fade_into_each_other_without_a_seam() -> None:
    smooth = torch.linspace(0, 1, 100, dtype=torch.double).expand(1, 1, 70, 100)

    found = stitched(lambda x: 2 * x + 1, smooth, 32, 32)

    torch.testing.assert_close(found, 2 * smooth + 1)
    # Where a network looks around, only what is near a tile's border is other than in one piece.
    whole, apart = shifted(smooth), stitched(shifted, smooth, 32, 32)
    inner = (whole - apart).abs()[..., 8:-8, 8:-8]
    assert float(inner.max()) < 0.35 * float(whole.max())
    assert float(inner.mean()) < 0.05 * float(whole.mean())


@pytest.mark.parametrize(("length", "tile"), [(33, 32), (100, 32), (1000, 64), (64, 64), (10, 32)])
def test_tiles_cover_everything_and_overlap_by_a_quarter(length: int, tile: int) -> None:
    found = starts(length, tile)

    assert found[0] == 0
    assert length <= tile or found[-1] + tile == length
    steps = [b - a for a, b in pairwise(found)]
    assert all(0 < step <= tile - tile // 4 for step in steps)


def test_a_border_is_mirrored_as_often_as_it_takes() -> None:
    given = torch.tensor([[[[0.0, 1.0, 2.0]]]])

    assert mirrored(given, 1, 8)[0, 0, 0].tolist() == [0, 1, 2, 1, 0, 1, 2, 1]
    assert mirrored(given, 3, 3)[0, 0].tolist() == [[0, 1, 2]] * 3


def reference_ssim(x: numpy.ndarray, y: numpy.ndarray) -> float:
    """Return the SSIM of two grey pictures, window by window, as Wang et al. write it."""
    place = numpy.arange(-5, 6)
    window = numpy.exp(-(place[:, None] ** 2 + place**2) / (2 * 1.5**2))
    window /= window.sum()
    found = []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            a, b = (each[top : top + 11, left : left + 11] for each in (x, y))
            ma, mb = (window * a).sum(), (window * b).sum()
            va, vb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
            cov = (window * (a - ma) * (b - mb)).sum()
            found.append(
                (2 * ma * mb + 1e-4) * (2 * cov + 9e-4)
                / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))
            )  # fmt: skip
    return float(numpy.mean(found))


def test_psnr_and_ssim_are_what_they_are_by_hand() -> None:
    source = numpy.random.default_rng(0)
    x = source.random((2, 3, 16, 14))
    y = numpy.clip(x + 0.2 * source.standard_normal(x.shape), 0, 1)
    images, targets = torch.from_numpy(x), torch.from_numpy(y)

    wanted = [numpy.mean([reference_ssim(a, b) for a, b in zip(p, q)]) for p, q in zip(x, y)]  # noqa: B905
    assert ssim(images, targets).tolist() == pytest.approx(wanted, abs=1e-12)
    error = [float(((p - q) ** 2).mean()) for p, q in zip(x, y)]  # noqa: B905
    assert psnr(images, targets).tolist() == pytest.approx([-10 * numpy.log10(e) for e in error])
    assert ssim(images, images).tolist() == pytest.approx([1, 1])
    assert psnr(images, images).tolist() == [100, 100]
