"""The deep networks in whole runs: trained, killed, resumed, sampled, exported, and checked."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from ganzoo import testing
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
SIZES = {
    "resnet": ('channels = [8, 8, 8]', 'channels = [8, 8, 8]'),
    "deep": ('channels = [8, 8, 8]\ndepth = 1', 'channels = [8, 8, 8]\ndepth = 1'),
    "r3gan": ('channels = [8, 8, 8]\ngroup_size = 4', 'channels = [8, 8, 8]\ngroup_size = 4'),
}  # fmt: skip


@dataclass(frozen=True)
class Family:
    """A shipped recipe, narrowed to digits of 16×16."""

    recipe: str
    size: str
    generator: str = ""
    discriminator: str = ""
    top: str = ""


FAMILIES = {
    "sngan": Family("sngan_cifar10", "resnet"),
    "wgan_gp": Family("wgan_gp_resnet_cifar10", "resnet"),
    "projection": Family("cgan_projection_cifar10", "resnet"),
    "sagan": Family("sagan_cifar10", "resnet", "attention = [8]", "attention = [8]"),
    "biggan": Family("biggan_cifar10", "resnet", "attention = [8]", "attention = [8]"),
    "biggan_unconditional": Family(
        "biggan_unconditional_cifar10", "resnet", "attention = [8]", "attention = [8]"
    ),
    "biggan_deep": Family("biggan_deep_cifar10", "deep", "attention = [8]", "attention = [8]"),
    "reacgan": Family("reacgan_cifar10", "resnet", "attention = [8]", "attention = [8]"),
    "r3gan": Family("r3gan_cifar10", "r3gan"),
}


def written(family: Family) -> str:
    """Return the narrowed recipe."""
    generator, discriminator = SIZES[family.size]
    return f"""\
extends = "{family.recipe}"
metric = []
[train]
steps = 6
batch_size = 8
log_every = 2
[latent]
size = 12
[dataset]
use = "digits"
size = 16
[generator]
{generator}
{family.generator}
[discriminator]
{discriminator}
{family.discriminator}
[samples]
rows = 2
columns = 2
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
        """Raise at step 3."""
        if training.step == 3:
            raise ZeroDivisionError


def end_of(run: RunDir) -> dict[str, Tensor]:
    """Return the tensors of the last checkpoint."""
    tensors, state = checkpoint.read_checkpoint(checkpoints(run.checkpoints)[0])
    assert state.step == 6
    return tensors


QUICK = {"biggan", "r3gan"}
"""Families that every run of the suite trains."""


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in FAMILIES
    ],
)
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunDir, RunDir]:
    """Return a run in one piece, and one that was killed and went on."""
    folder = tmp_path_factory.mktemp(request.param)
    file = folder / "it.toml"
    file.write_text(written(FAMILIES[request.param]))
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


def test_a_killed_run_ends_in_the_same_bits(runs: tuple[RunDir, RunDir]) -> None:
    end, again = (end_of(run) for run in runs)

    assert again.keys() == end.keys()
    assert all(torch.equal(again[key], end[key]) for key in again)


@pytest.mark.slow
def test_it_is_sampled_exported_and_measured(runs: tuple[RunDir, RunDir], tmp_path: Path) -> None:
    call("sample", runs[0].path, "-n", "4", "--file", tmp_path / "four.png")
    assert (tmp_path / "four.png").is_file()
    # Programs are compared with torch before they are written.
    forms = ["pt2", *(["onnx"] if find_spec("onnxscript") and find_spec("onnxruntime") else [])]
    for form in forms:
        call("export", runs[0].path, "--to", form, "--file", tmp_path / form)
        assert (tmp_path / form).exists()
    assert "frechet" in call("measure", runs[0].path, "--set", 'metric=[{ use = "frechet" }]')


CHECKED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "generator/resnet": ("generator", "resnet", {"channels": [8, 8, 8]}),
    "generator/biggan": ("generator", "resnet", {
        "channels": [8, 8, 8], "condition": "linear", "class_code": 4, "split_latent": True,
        "labels": "conditional_norm", "spectral": True, "attention": [8]}),
    "generator/deep": ("generator", "resnet", {
        "channels": [8, 8, 8], "block": "deep", "depth": 1}),
    "discriminator/resnet": ("discriminator", "resnet", {"channels": [8, 8, 8]}),
    "discriminator/projection": ("discriminator", "resnet", {
        "channels": [8, 8, 8], "labels": "projection", "attention": [8]}),
    "discriminator/embedding": ("discriminator", "resnet", {
        "channels": [8, 8, 8], "embedding_size": 6}),
    "discriminator/deep": ("discriminator", "resnet", {
        "channels": [8, 8, 8], "block": "deep", "depth": 1}),
    "generator/r3gan": ("generator", "r3gan", {
        "channels": [8, 8, 8], "group_size": 4, "labels": "embedding"}),
    "discriminator/r3gan": ("discriminator", "r3gan", {
        "channels": [8, 8, 8], "group_size": 4, "labels": "projection"}),
}  # fmt: skip
"""Variants that the components' defaults leave out."""


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKED)
def test_the_kit_finds_nothing_wrong(name: str) -> None:
    kind, use, fields = CHECKED[name]
    spec = REGISTRY.specs(kind)[use](**fields)

    found = [each for case in testing.cases(spec) for each in case()]

    assert found
    assert not [str(each) for each in found if each.status == "failed"]
