"""What 'ganzoo_classic' supplies in whole runs: it trains, remembers, and goes on after a kill."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ganzoo.common.errors import GanzooError
from ganzoo.plugin import registry
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.model import Recipe
from ganzoo.runs import checkpoint
from ganzoo.runs.folder import RunDir, checkpoints
from ganzoo.session import build, train
from ganzoo.training.loop import new_run
from ganzoo.training.place import Place
from ganzoo.training.state import Silent, TrainingState

STEPS = 6
BASE = {
    "train": "steps = 6\nbatch_size = 8\nlog_every = 2",
    "latent": 'size = 8\nprior = "uniform"',
    "dataset": 'use = "digits"\nsize = 8',
    "generator": 'use = "transpose"\nscales = [1, 2]\nbase_channels = 4',
    "discriminator": 'use = "conv"\nbase_channels = 4\nstrides = [2]',
    "loss": 'use = "bce"',
    "optimizer.generator": 'use = "adam"',
    "optimizer.discriminator": 'use = "adam"',
    "samples": "rows = 2\ncolumns = 2\nevery = 0",
    "checkpoint": "every = 3",
}
PLACE = Place("cpu", None, 1, offline=True)
REGISTRY = registry.load_plugins(block={"*"})
LABELLED = 'use = "transpose"\nscales = [1, 2]\nbase_channels = 4\nlabels = "conditional_norm"'
CODED = 'use = "transpose"\nscales = [1, 2]\nbase_channels = 4\ncodes = [3, 2]'


def conv(*keys: str) -> str:
    """Return the base's discriminator with more keys."""
    return "\n".join([BASE["discriminator"], *keys])


@dataclass(frozen=True)
class Entry:
    """A component with the tables that use it.

    Attributes:
        state: tensors of the checkpoint that it remembers or trains.
        logged: values of the log that follow them.
    """

    name: str
    tables: dict[str, str]
    more: str = ""
    state: tuple[str, ...] = ()
    logged: tuple[str, ...] = ()


ZOO = [
    Entry(
        "auxiliary_classifier",
        {
            "generator": LABELLED,
            "discriminator": conv('labels = "classes"'),
            "step": 'batching = "joint"',
        },
        '[[regularizer]]\nuse = "auxiliary_classifier"\n',
    ),
    Entry(
        "contrastive",
        {"generator": LABELLED, "discriminator": conv("embedding_size = 5")},
        '[[regularizer]]\nuse = "contrastive"\nsize = 5\n',
        ("own/regularizer.0/weight",),
    ),
    Entry(
        "infogan_own",
        {"generator": CODED},
        '[[regularizer]]\nuse = "mutual_information"\ncodes = [3, 2]\ncontinuous = 2\nhidden = 7\n',
        ("own/regularizer.0/1.weight", "own/regularizer.0/3.bias"),
    ),
    Entry(
        "infogan_shared",
        {
            "generator": CODED,
            "discriminator": conv("embedding_size = 9", "embedding_hidden = 6"),
        },
        '[[regularizer]]\nuse = "mutual_information"\ncodes = [3, 2]\ncontinuous = 2\n'
        'q = "discriminator"\ndeviation = "learned"\n',
    ),
    Entry(
        "began",
        {
            "generator": 'use = "decoder"\nbase_channels = 3\nhalvings = 1',
            "discriminator": 'use = "autoencoder"\nbase_channels = 3\nhalvings = 1\nhidden = 4',
            "loss": 'use = "boundary_equilibrium"\ngamma = 1.0\ngain = 0.5',
        },
        "",
        ("own/loss/k", "own/loss/convergence"),
        ("s/boundary_equilibrium.k", "s/boundary_equilibrium.convergence"),
    ),
    Entry(
        "ebgan",
        {
            "discriminator": 'use = "autoencoder"\nbase_channels = 3\nhalvings = 1\nhidden = 4\n'
            'error = "squared"',
            "loss": 'use = "energy"',
        },
        '[[regularizer]]\nuse = "pull_away"\n',
    ),
    Entry(
        "unrolled",
        {
            "generator": LABELLED,
            "discriminator": conv('labels = "projection"', 'norm = "spectral"', "dropout = 0.0"),
            "loss": 'use = "unrolled"\nahead = 2\n[loss.inside]\nuse = "hinge"',
        },
    ),
    Entry(
        "unrolled_adam",
        {
            "discriminator": conv('norm = "none"', "dropout = 0.0"),
            "loss": 'use = "unrolled"\nahead = 2\nsteps_by = "adam"\ngame = "zero_sum"',
        },
    ),
    Entry(
        "unrolled_batch_norm",
        {
            "discriminator": conv('norm = "batch"', "first_norm = true"),
            "loss": 'use = "unrolled"\nahead = 1',
        },
    ),
    Entry(
        "top_k",
        {
            "loss": 'use = "top_k"\nshare = { start = 1.0, end = 0.25 }\n'
            '[loss.inside]\nuse = "relativistic"\npairing = "average"'
        },
    ),
    Entry(
        "lecam",
        {},
        '[[regularizer]]\nuse = "lecam"\n',
        ("own/regularizer.0/real", "own/regularizer.0/fake", "own/regularizer.0/updates"),
        ("s/lecam.real", "s/lecam.fake"),
    ),
    Entry(
        "consistency",
        {"generator": LABELLED, "discriminator": conv('labels = "projection"')},
        '[[regularizer]]\nuse = "consistency"\nfake = 10.0\nlatent = 20.0\ndiversity = 0.5\n',
    ),
    Entry(
        "path_length",
        {"generator": LABELLED},
        '[[regularizer]]\nuse = "path_length"\nevery = 2\n',
        ("own/regularizer.0/mean",),
        ("s/path_length.mean",),
    ),
    Entry(
        "the_rest",
        {"discriminator": conv("shows_features = true", "minibatch_stddev = 4")},
        '[[regularizer]]\nuse = "feature_matching"\n[[regularizer]]\nuse = "orthogonal"\n'
        '[[regularizer]]\nuse = "zero_centered_gp"\n',
    ),
    Entry(
        "ada",
        {},
        '[[regularizer]]\nuse = "r1"\n'
        '[[view]]\nuse = "ada"\nimages = 20.0\ninterval = 4\ntarget = -1.0\n'
        '[[view]]\nuse = "instance_noise"\nstd = { start = 0.1, end = 0.0 }\n',
        ("own/view.0/p", "own/view.0/signs"),
        ("s/ada.p",),
    ),
    Entry(
        "apa",
        {},
        '[[view]]\nuse = "apa"\nimages = 20.0\ninterval = 2\ntarget = -1.0\nkept = 5\n',
        ("own/view.0/p", "own/view.0/fakes"),
        ("s/apa.p",),
    ),
]


class Dies(Silent):
    """Kills a run after its fourth step, one step beyond its checkpoint."""

    def stepped(self, training: TrainingState) -> None:
        """Raise."""
        if training.step == 4:
            raise ZeroDivisionError


def recipe_of(entry: Entry, folder: Path, known: registry.Registry = REGISTRY) -> Recipe:
    """Write and check a recipe."""
    tables = BASE | entry.tables
    text = "".join(f"[{name}]\n{content}\n" for name, content in tables.items())
    file = folder / "it.toml"
    file.write_text(text + entry.more)
    return load_recipe(file, known)


def run_in(
    recipe: Recipe, run: RunDir | Path, *, reporter: Silent | None = None, resume: bool = False
) -> tuple[RunDir, dict[str, Tensor]]:
    """Train in a folder, new or not; return it with every network as it was before."""
    told = reporter or Silent()
    parts = build(recipe, REGISTRY, PLACE, told)
    before: dict[str, Tensor] = {}
    for name, module in parts.networks.items():
        before |= {key: each.clone() for key, each in checkpoint.pack_module(name, module).items()}
    folder = new_run(parts, run, "classic") if isinstance(run, Path) else run
    train(parts, folder, REGISTRY, told, resume=resume)
    return folder, before


def end_of(run: RunDir) -> dict[str, Tensor]:
    """Return the tensors of the last checkpoint."""
    tensors, state = checkpoint.read_checkpoint(checkpoints(run.checkpoints)[0])
    assert state.step == STEPS
    return tensors


@pytest.mark.parametrize(
    "entry",
    [
        # Those that remember something; the others when asked for.
        pytest.param(each, marks=[] if each.state else [pytest.mark.slow])
        for each in ZOO
    ],
    ids=lambda entry: entry.name,
)
def test_it_trains_remembers_and_goes_on_after_a_kill_bit_for_bit(
    entry: Entry, tmp_path: Path
) -> None:
    recipe = recipe_of(entry, tmp_path)
    run, start = run_in(recipe, tmp_path / "whole")
    end = end_of(run)

    for network in ("generator", "discriminator"):
        moved = [key for key in start if key.startswith(f"{network}/")]
        assert any(not torch.equal(start[key], end[key]) for key in moved)
    for key in entry.state:
        assert not torch.equal(start[key], end[key]), key
    for name in entry.logged:
        assert all(name in line for line in run.read_log())

    parts = build(recipe, REGISTRY, PLACE, Silent())
    killed = new_run(parts, tmp_path / "killed", "classic")
    with pytest.raises(ZeroDivisionError):
        train(parts, killed, REGISTRY, Dies())
    run_in(recipe, killed, resume=True)

    again = end_of(killed)
    assert again.keys() == end.keys()
    assert all(torch.equal(again[key], end[key]) for key in again)


def test_what_is_remembered_is_a_curve_of_the_runs_page(tmp_path: Path) -> None:
    entry = next(entry for entry in ZOO if entry.name == "began")

    run, _ = run_in(recipe_of(entry, tmp_path), tmp_path / "runs")

    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "boundary_equilibrium.k" in page
    assert run.read_json("result.json")["final"]["s/boundary_equilibrium.k"] > 0


@pytest.mark.parametrize(
    ("tables", "more", "message"),
    [
        ({}, '[[regularizer]]\nuse = "feature_matching"\n', "shows_features = true"),
        (
            {"generator": LABELLED},
            '[[regularizer]]\nuse = "contrastive"\n',
            "discriminator.embedding_size",
        ),
        (
            {"generator": LABELLED, "discriminator": conv("embedding_size = 3")},
            '[[regularizer]]\nuse = "contrastive"\n',
            "set discriminator.embedding_size = 64",
        ),
        (
            {"latent": "size = 8"},
            '[[regularizer]]\nuse = "mutual_information"\ncodes = [4]\n',
            "numbers 0 to 3 of the latent are not a code",
        ),
        (
            {},
            '[[regularizer]]\nuse = "mutual_information"\ncodes = [10]\n',
            "the codes take 10 numbers of the latent, which has 8",
        ),
        (
            {"generator": CODED.replace("[3, 2]", "[9]")},
            "",
            "they take 9 numbers of the latent, which has 8",
        ),
        (
            {"dataset": 'use = "digits"\nsize = 8\nvalue_range = "unit"'},
            '[[view]]\nuse = "ada"\n',
            "colour = false",
        ),
        (
            {},
            '[[regularizer]]\nuse = "path_length"\nat = "w"\n',
            "the generator shows 'images' and no 'w'",
        ),
        (
            {
                "loss": 'use = "unrolled"\nsteps_by = "adam"',
                "optimizer.discriminator": 'use = "sgd"\nlr = 0.1',
            },
            "",
            "that one is not Adam",
        ),
    ],
)
def test_what_does_not_fit_is_told_before_the_first_step(
    tables: dict[str, str], more: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(GanzooError, match=message.replace("[", r"\[")):
        run_in(recipe_of(Entry("wrong", tables, more), tmp_path), tmp_path / "runs")


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ('use = "unrolled"\n[loss.inside]\nuse = "boundary_equilibrium"', "keeps state"),
        ('use = "unrolled"\n[loss.inside]\nuse = "unrolled"', "asks a discriminator of its own"),
        ('use = "top_k"\n[loss.inside]\nuse = "unrolled"', "put the other loss inside it"),
        ('use = "unrolled"\ngame = "zero_sum"\nahead = 0', "set ahead to 1 or more"),
        ('use = "unrolled"\ngame = "zero_sum"\nthrough_steps = false', "through_steps = true"),
        (
            'use = "unrolled"\ngame = "zero_sum"\n[loss.inside]\nuse = "top_k"',
            "leaves out what loss 'top_k' does",
        ),
        ('use = "top_k"\n[loss.inside]\nuse = "hing"', "did you mean 'hinge'"),
        (
            'use = "top_k"\n[loss.inside]\nuse = "bce"\nsmooth = 1',
            "loss.inside.smooth: unknown key",
        ),
    ],
)
def test_a_wrong_loss_inside_is_told_with_its_key(loss: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match=message):
        recipe_of(Entry("wrong", {"loss": loss}), tmp_path)


BARE = """
from typing import ClassVar
from ganzoo.api import DatasetSpec, hookimpl

class Bare(DatasetSpec):
    \"\"\"Images without classes.\"\"\"

    use: ClassVar[str] = "bare"
    labelled: ClassVar[bool] = False

    def build(self, root, split="train"):
        \"\"\"Fail.\"\"\"
        raise NotImplementedError

@hookimpl
def ganzoo_datasets():
    return [Bare]
"""


def test_a_data_set_without_classes_is_refused_at_check(tmp_path: Path) -> None:
    entry = next(entry for entry in ZOO if entry.name == "auxiliary_classifier")
    plugin = tmp_path / "bare.py"
    plugin.write_text(BARE)
    known = registry.load_plugins([plugin])
    tables = {**entry.tables, "dataset": 'use = "bare"', "generator": BASE["generator"]}

    with pytest.raises(GanzooError, match="needs labels, and the dataset 'bare' has none"):
        recipe_of(Entry("bare", tables, entry.more), tmp_path, known)
