"""The latent of a picture: found again, kept as a file, sampled and walked from."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file, save_file

from ganzoo.api import GanzooError, ImageShape
from ganzoo.cli.commands.sample import sample
from ganzoo.session import Run
from ganzoo_invert import command as invert_command
from ganzoo_invert.command import invert
from ganzoo_invert.picture import read_picture
from ganzoo_invert.search import search


def picture_of(run: Run, folder: Path, number: int = 3) -> Path:
    """Write one sample as a PNG."""
    images = run.sample(number + 1, seed=5)
    pixels = ((images[number, 0] + 1) / 2 * 255).round().clamp(0, 255).to(torch.uint8)
    Image.fromarray(pixels.numpy()).save(folder / "mine.png")
    return folder / "mine.png"


def test_a_sample_of_the_generator_is_found_again(run: Run) -> None:
    network = copy.deepcopy(run.generator.network)
    last = [
        each for each in network.modules() if hasattr(each, "weight") and each.weight.ndim == 4
    ][-1]
    last.weight.data *= 300  # an untrained one's images are all but grey
    model = dataclasses.replace(run.generator, network=network)
    target = model(model.draw(4, seed=5)[3:])

    nearest, *_, found = search(model, target, steps=40, restarts=2, rate=0.3)

    off = ((model(found.latent) - target) / 2).square().mean().sqrt()
    assert float(off) == pytest.approx(found.error, rel=1e-3)
    assert found.error < min(0.02, nearest.error / 3)


def test_the_verb_leaves_both_pictures_and_a_latent_that_makes_the_second(
    run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "both.png"
    args = [str(run.path), str(picture_of(run, tmp_path)), "--steps", "2", "--restarts", "1"]

    done = CliRunner().invoke(
        invert, [*args, "--file", str(file), "--json"], catch_exceptions=False
    )

    told = json.loads(done.stdout)
    target, _ = read_picture(tmp_path / "mine.png", run.generator.image)
    made = run.generator(*run.generator.read_latents(Path(told["latent"])))
    assert float(((made - target) / 2).square().mean().sqrt()) == pytest.approx(told["error"], 1e-3)
    assert Image.open(file).size == (62 * 8, 32 * 8)


def test_a_found_latent_is_sampled_and_walked_from(run: Run, tmp_path: Path) -> None:
    model, runner = run.generator, CliRunner()
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    model.write_latents(first, model.draw(2)[:1])
    model.write_latents(second, model.draw(2)[1:])
    both = ["--latent", str(first), "--latent", str(second)]

    for more in ([], ["--walk"], ["--gif"]):
        file = tmp_path / ("film.gif" if more == ["--gif"] else "sheet.png")
        done = runner.invoke(
            sample, [str(run.path), *both, *more, "--file", str(file)], catch_exceptions=False
        )
        assert done.exit_code == 0, done.output
        assert file.is_file()
    frames = torch.cat(list(model.walk(latents=torch.cat([model.draw(2)[:1], model.draw(2)[1:]]))))
    assert len(frames) == 9
    assert torch.allclose(frames[[0, -1]], model(model.draw(2)), atol=1e-5)


def test_latents_of_another_generator_or_of_nobody_are_refused(run: Run, tmp_path: Path) -> None:
    size = run.recipe.latent.size
    wrong = {
        "of 3 numbers": torch.zeros(1, 3),
        "not finite": torch.full((1, size), float("inf")),
        "holds no latents": torch.zeros(size),
    }
    for said, latents in wrong.items():
        save_file({"latents": latents}, tmp_path / "x.safetensors")
        with pytest.raises(GanzooError, match=said):
            run.generator.read_latents(tmp_path / "x.safetensors")
    (tmp_path / "x.safetensors").write_bytes(b"no")
    with pytest.raises(GanzooError, match="cannot be read"):
        run.generator.read_latents(tmp_path / "x.safetensors")


def test_any_picture_becomes_an_image_of_the_generators_shape(tmp_path: Path) -> None:
    wide = Image.new("RGBA", (90, 30), (0, 0, 0, 0))
    wide.save(tmp_path / "wide.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "wide.png").read_bytes()[:40])

    image, done = read_picture(tmp_path / "wide.png", ImageShape(1, 8, 16, -1.0, 1.0))

    assert image.shape == (1, 1, 8, 16)
    assert torch.equal(image, torch.ones_like(image))
    assert done == "90×30 RGBA, laid on white, cropped around its center, resized to 16×8"
    for name in ("torn.png", "none.png"):
        with pytest.raises(GanzooError, match="cannot be read"):
            read_picture(tmp_path / name, ImageShape(1, 8, 16, -1.0, 1.0))


def test_ctrl_c_keeps_the_best_so_far(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*args: object, **kwargs: object) -> Iterator[object]:
        found = search(*args, **kwargs)  # type: ignore[arg-type]
        yield next(found)
        yield next(found)
        raise KeyboardInterrupt

    monkeypatch.setattr("ganzoo_invert.search.search", cut)
    file = tmp_path / "both.png"

    with pytest.raises(KeyboardInterrupt):
        invert_command.invert.callback(  # type: ignore[misc]
            str(run.path), picture_of(run, tmp_path), 50, 2, 0, None, True, file, "cpu", (),
            tmp_path, False,
        )  # fmt: skip

    assert file.is_file()
    assert load_file(file.with_suffix(".safetensors"))["latents"].shape[0] == 1
