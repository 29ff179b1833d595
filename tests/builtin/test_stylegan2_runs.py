"""StyleGAN2 in whole runs: it trains, goes on after a kill, is sampled, exported and measured."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor

from ganzoo.cli.app import ganzoo
from ganzoo.plugin import registry
from ganzoo.recipe.check import load_recipe
from ganzoo.runs import checkpoint
from ganzoo.runs.folder import RunDir, checkpoints
from ganzoo.session import build, train
from ganzoo.training.loop import new_run
from ganzoo.training.place import Place
from ganzoo.training.state import Silent, TrainingState

REGISTRY = registry.load_plugins(block={"*"})
PLACE = Place("cpu", None, 1, offline=True)
RECIPE = """\
extends = "stylegan2_mnist"
metric = []
regularizer = [{ use = "r1", every = 2 }, { use = "path_length", at = "w", every = 2 }]
view = [{ use = "ada", images = 200 }]
[train]
steps = 10
batch_size = 8
log_every = 2
[dataset]
use = "digits"
size = 8
[generator]
channel_max = 4
w_size = 8
labels = "mapping"
[discriminator]
channel_max = 4
labels = "projection"
mapping_layers = 1
[ema]
half_life = { start = 0.05, end = 1.0 }
[samples]
rows = 2
columns = 3
every = 0
[checkpoint]
every = 2
[measure]
samples = 16
reference = 16
network = "random"
"""


class Dies(Silent):
    """Ends the run in the middle, not at a checkpoint."""

    def stepped(self, training: TrainingState) -> None:
        """Raise at step 7."""
        if training.step == 7:
            raise ZeroDivisionError


def end_of(run: RunDir) -> dict[str, Tensor]:
    """Return the tensors of the last checkpoint."""
    tensors, state = checkpoint.read_checkpoint(checkpoints(run.checkpoints)[0])
    assert state.step == 10
    return tensors


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDir, RunDir]:
    """Return a run in one piece, and one that was killed and went on."""
    folder = tmp_path_factory.mktemp("stylegan2")
    file = folder / "it.toml"
    file.write_text(RECIPE)
    recipe = load_recipe(file, REGISTRY)
    made = []
    for name in ("whole", "killed"):
        parts = build(recipe, REGISTRY, PLACE, Silent())
        made.append(new_run(parts, folder / name, "it"))
        if name == "whole":
            train(parts, made[0], REGISTRY, Silent())
            continue
        with pytest.raises(ZeroDivisionError):
            train(parts, made[1], REGISTRY, Dies())
        parts = build(recipe, REGISTRY, PLACE, Silent())
        train(parts, made[1], REGISTRY, Silent(), resume=True)
    return made[0], made[1]


def call(*words: str | Path) -> str:
    """Call the command line in this process; it must succeed."""
    done = CliRunner().invoke(ganzoo, [str(word) for word in words])
    assert done.exit_code == 0, f"{words}\n{done.output}"
    return done.output


def test_a_killed_run_goes_on_bit_for_bit_with_all_it_remembers(
    runs: tuple[RunDir, RunDir],
) -> None:
    whole, killed = runs
    end, again = end_of(whole), end_of(killed)

    assert again.keys() == end.keys()
    assert all(torch.equal(again[key], end[key]) for key in again)
    assert end["generator/average"].any()
    shown = call("show", whole.path)
    assert "regularizer.1.mean = " in shown
    assert "view.0.p = " in shown
    assert whole.read_json("result.json")["final"]["s/path_length.mean"] > 0


def test_truncation_mixing_and_noise_are_chosen_at_sampling(
    runs: tuple[RunDir, RunDir], tmp_path: Path
) -> None:
    asked: dict[str, tuple[str, ...]] = {
        "plain": (),
        "average": ("truncation=0.0", "noise=none"),
        "mixed": ("mix_from=1", "mix_with=3"),
        "mixed-again": ("mix_from=1", "mix_with=4"),
    }
    for name, knobs in asked.items():
        words = [word for knob in knobs for word in ("--set", f"generator.{knob}")]
        folder = tmp_path / name
        call("sample", runs[0].path, "-n", "4", "--single", "--file", folder, *words)

    def images(name: str) -> list[bytes]:
        return [Image.open(each).tobytes() for each in sorted((tmp_path / name).glob("*.png"))]

    assert len(set(images("plain"))) > 1
    assert len(set(images("average"))) == 1
    assert len({tuple(images(name)) for name in asked}) == len(asked)


@pytest.mark.slow
def test_it_is_exported_and_measured_again(runs: tuple[RunDir, RunDir], tmp_path: Path) -> None:
    forms = ["pt2", "hub", *(["onnx"] if find_spec("onnxscript") else [])]
    for form in forms:
        call("export", runs[0].path, "--to", form, "--file", tmp_path / form)
        assert (tmp_path / form).exists()

    asked = ("--set", 'metric=[{ use = "frechet" }]')
    assert "frechet" in call("measure", runs[0].path, *asked)
