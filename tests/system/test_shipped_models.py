"""Trained models in the box, and in a stranger's: listed, sampled, measured, begun with."""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from local_server import LocalServer, whole

import ganzoo
from ganzoo.cli.app import ganzoo as command
from ganzoo.common.errors import GanzooError, PluginError
from ganzoo.common.fetch import FetchError
from ganzoo.plugin.models import TrainedModel, checked, placed
from ganzoo.plugin.registry import load_plugins
from ganzoo.session import Run

OWN = {name: model for name, (model, _) in load_plugins(block={"*"}).models().items()}
SCORES = {
    "fast_digits": ("frechet", 1.0),
    "fast_mnist": ("frechet", 1.6),
    "fast_mnist_unconditional": ("frechet", 7.2),
    "fast_ring": ("modes", 8.0),
}
"""A score of each, and how bad it may be."""
PLUGIN = """
from pathlib import Path
from ganzoo.api import TrainedModel, hookimpl

@hookimpl
def ganzoo_models():
    folder = Path({folder!r})
    return [TrainedModel("tiny", "Noise, after four steps.", folder, {sha256!r}, {urls!r})]
"""


def call(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    """Return what is written for a plugin of a tiny run."""
    folder = tmp_path_factory.mktemp("shipped") / "tiny"
    done = call("export", run.path, "--to", "zoo", "--file", folder, "--licence", "mit")
    assert done.exit_code == 0, done.stderr
    return folder


def stranger(folder: Path, weights: Path, place: Path, urls: tuple[str, ...] = ()) -> Path:
    """Write a plugin that ships the model in ``folder``."""
    file = place / f"ships_{place.name}.py"  # two modules of one name are refused
    file.write_text(PLUGIN.format(folder=str(folder), sha256=digest(weights), urls=urls))
    return file


@pytest.mark.parametrize("name", sorted(OWN))
def test_each_is_small_documented_whole_and_makes_images(name: str) -> None:
    folder = OWN[name].folder
    size = (folder / "generator.safetensors").stat().st_size
    result = json.loads((folder / "result.json").read_text())

    run = ganzoo.open_run(f"zoo:{name}")
    images = run.sample(8)

    assert size <= 1_500_000
    assert result["metrics"]
    assert result["step"] == run.generator.step
    assert 'license: "mit"' in (folder / "README.md").read_text()
    assert run.log
    assert torch.isfinite(images).all()
    assert images.std() > 0.1
    assert not torch.equal(images[0], images[1])


def test_all_together_are_small() -> None:
    weights = [model.folder / "generator.safetensors" for model in OWN.values()]

    assert sum(path.stat().st_size for path in weights) <= 6_000_000
    assert set(SCORES) == set(OWN)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # the classifier of MNIST is trained for it
@pytest.mark.parametrize("name", sorted(OWN))
def test_each_keeps_its_score(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # its neighbours are drawn there
    score, worst = SCORES[name]
    recipe = tomllib.loads((OWN[name].folder / "recipe.toml").read_text())
    place = request.getfixturevalue("real_data") if recipe["dataset"]["use"] == "mnist" else "none"

    done = call("measure", f"zoo:{name}", "--offline", "--data", place, "--json")

    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)["metrics"][score]
    value = found["last"]["value"]
    assert value <= worst if found["lower_is_better"] else value >= worst


def test_a_strangers_is_listed_sampled_measured_and_begun_with(
    shipped: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plugin = stranger(shipped, shipped / "generator.safetensors", tmp_path)

    listed = call("list", "models", "--plugin", plugin)
    sampled = call("sample", "zoo:tiny", "-n", "4", "--plugin", plugin)
    metrics = 'metric=[{use="discriminator_gap"},{use="frechet"}]'
    asked = ("--json", "--data", "none", "--set", "measure.network=random", "--set", metrics)
    measured = call("measure", "zoo:tiny", "--plugin", plugin, *asked)
    wrong = call("sample", "zoo:tiby", "--plugin", plugin)
    resumed = call("resume", "zoo:tiny")
    opened = ganzoo.open_run("zoo:tiny", plugins=[plugin])

    assert "zoo:tiny" in listed.stdout
    assert sampled.stdout == f"{Path('tiny-samples-step000004-seed0-n4.png')}\n"
    found = json.loads(measured.stdout)
    assert "frechet" in found["metrics"]
    assert "no discriminator" in found["unmeasured"]["discriminator_gap"]
    assert "did you mean 'tiny'?" in wrong.stderr
    assert "cannot be resumed" in resumed.stderr
    difference = (opened.sample(16) - run.sample(16)).abs().max()
    assert 0 < difference < 0.02  # half precision, and nothing else
    assert opened.status == "done"


def test_a_run_begins_with_one(tmp_path: Path, tiny: dict[str, object]) -> None:
    changes = {
        **tiny, "init.from": "zoo:fast_digits", "init.networks": ["generator"], "train.steps": 1,
        "generator.base_channels": 32, "latent.size": 50, "samples.every": 0,
    }  # fmt: skip

    begun = ganzoo.run("fast_digits", changes, out=tmp_path, device="cpu", threads=1, quiet=True)

    told = json.loads((begun.path / "init.json").read_text())
    assert (told["taken"], told["step"]) == (told["tensors"], 1380)


def test_larger_weights_come_by_address_and_digest(
    shipped: Path, tmp_path: Path, server: LocalServer
) -> None:
    weights = shipped / "generator.safetensors"
    folder = shutil.copytree(shipped, tmp_path / "thin", ignore=lambda *_: [weights.name])
    url = server.url("/weights", whole(weights.read_bytes()))
    plugin = stranger(folder, weights, tmp_path, (url,))

    first = ganzoo.open_run("zoo:tiny", plugins=[plugin])
    again = ganzoo.open_run("zoo:tiny", plugins=[plugin])

    assert digest(first.path / weights.name) == digest(weights)
    assert first.path == again.path
    assert len(server.requests) <= 1
    first.sample(1)


def test_other_bytes_are_refused(shipped: Path, server: LocalServer) -> None:
    url = server.url("/weights", whole(b"something else"))
    thin = TrainedModel("far", "Far away.", shipped, "0" * 64, [url])
    changed = TrainedModel("near", "Near.", shipped, "1" * 64)

    with pytest.raises(FetchError, match="not the right file"):
        placed(thin)
    with pytest.raises(FetchError, match="switched off"):
        placed(thin, download=False)
    with pytest.raises(GanzooError, match="not the file that its plugin describes"):
        placed(changed)


def test_without_a_cache_it_is_used_where_it_lies(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "file" / "cache"))

    model = TrainedModel("near", "Near.", shipped, digest(shipped / "generator.safetensors"))

    assert placed(model) == shipped


def test_what_a_plugin_gives_wrongly_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="not a list of models"):
        checked({"a": 1})
    with pytest.raises(PluginError) as told:
        checked(
            [
                3,
                TrainedModel("Big Name", "x", tmp_path, "0" * 64),
                TrainedModel("a", " ", tmp_path, "12"),
                TrainedModel("a", "b", tmp_path, "0" * 64),
            ]
        )

    for piece in (
        "gives 3, which is no TrainedModel",
        "'Big Name' needs a name of small letters",
        "model 'a' needs a line that says what it makes",
        "64 small hexadecimal digits",
        "there is no recipe.toml in its folder",
        "model 'a' is given twice",
    ):
        assert piece in str(told.value)


def test_two_plugins_cannot_ship_the_same_name(shipped: Path, tmp_path: Path) -> None:
    text = stranger(shipped, shipped / "generator.safetensors", tmp_path).read_text()
    taken = tmp_path / "taken.py"
    taken.write_text(text.replace('"tiny"', '"fast_digits"'))

    with pytest.raises(
        PluginError, match=r"model 'fast_digits' of .* is already shipped by ganzoo"
    ):
        load_plugins([taken])
