"""Ten papers as single files that import ``ganzoo.api`` alone: each trains, goes on, is used."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from ganzoo.cli.app import ganzoo
from ganzoo.plugin import registry
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.model import Recipe
from ganzoo.report.run_page import run_page
from ganzoo.runs import checkpoint
from ganzoo.runs.folder import RunDir, checkpoints
from ganzoo.sampling.export import export
from ganzoo.sampling.model import Model, open_model
from ganzoo.session import build, train
from ganzoo.training.loop import new_run
from ganzoo.training.place import Place
from ganzoo.training.state import Silent, TrainingState

HERE = Path(__file__).parent / "third_party"
STEPS = 6
BASE = {
    "train": "steps = 6\nbatch_size = 8\nlog_every = 2",
    "latent": "size = 8",
    "dataset": 'use = "digits"\nsize = 8',
    "generator": 'use = "transpose"\nscales = [1, 2]\nbase_channels = 4',
    "discriminator": 'use = "conv"\nbase_channels = 4\nstrides = [2]\nnorm = "none"',
    "loss": 'use = "bce"',
    "optimizer.generator": 'use = "adam"',
    "optimizer.discriminator": 'use = "adam"',
    "samples": "rows = 2\ncolumns = 2\nevery = 0",
    "checkpoint": "every = 3",
    "measure": 'samples = 16\nreference = 16\nnetwork = "random"',
}


@dataclass(frozen=True)
class Entry:
    """One plugin file with the tables that use it.

    Attributes:
        state: tensors of the checkpoint that the component remembers.
    """

    file: str
    tables: dict[str, str]
    state: tuple[str, ...] = ()
    more: str = ""


ZOO = [
    Entry(
        "conditional_dcgan",
        {"generator": 'use = "zoo_conditional"', "discriminator": 'use = "zoo_conditional"'},
    ),
    Entry(
        "projection",
        {
            "generator": 'use = "zoo_conditional_norm"',
            "discriminator": 'use = "zoo_projection"',
            "loss": 'use = "hinge"',
        },
    ),
    Entry(
        "acgan",
        {
            "generator": 'use = "zoo_conditional"',
            "discriminator": 'use = "zoo_acgan"',
            "loss": 'use = "zoo_acgan"',
            "step": 'batching = "joint"',
        },
    ),
    Entry(
        "infogan",
        {"generator": 'use = "zoo_coded"', "loss": 'use = "zoo_infogan"'},
        ("own/loss/1.weight", "own/loss/3.bias"),
    ),
    Entry("extragradient", {"step": 'use = "zoo_extragradient"'}),
    Entry("unrolled", {"loss": 'use = "zoo_unrolled"'}),
    Entry(
        "path_length",
        {"generator": 'use = "zoo_style"'},
        ("own/regularizer.0/mean",),
        '[[regularizer]]\nuse = "zoo_path_length"\n',
    ),
    Entry(
        "began",
        {
            "discriminator": 'use = "zoo_autoencoder"',
            "loss": 'use = "zoo_began"\ngamma = 1.0\ngain = 0.5',
        },
        ("own/loss/k",),
    ),
    Entry(
        "lecam",
        {},
        ("own/regularizer.0/real", "own/regularizer.0/fake"),
        '[[regularizer]]\nuse = "zoo_lecam"\n',
    ),
    Entry(
        "ada",
        {},
        ("own/view.0/p",),
        '[[view]]\nuse = "zoo_ada"\ntarget = -2.0\nimages = 100.0\n',
    ),
    Entry(
        "r3gan",
        {
            "generator": 'use = "zoo_r3"',
            "discriminator": 'use = "zoo_r3"',
            "loss": 'use = "zoo_r3"',
            "optimizer.generator": 'use = "adam"\nlr = { start = 1e-3, end = 1e-4 }\n'
            "betas = [0.0, { start = 0.9, end = 0.99 }]",
            "optimizer.discriminator": 'use = "adam"\nlr = { start = 1e-3, end = 1e-4 }\n'
            "betas = [0.0, { start = 0.9, end = 0.99 }]",
            "ema": 'half_life = { start = 1.0, end = 5.0, course = "cosine" }',
        },
        (),
        '[[regularizer]]\nuse = "zoo_r1r2"\nweight = { start = 2.0, end = 0.2 }\n'
        '[[view]]\nuse = "zoo_turned"\np = { start = 0.0, end = 0.6 }\n',
    ),
]
NAMES = [entry.file for entry in ZOO]
FILES = [HERE / f"{name}.py" for name in NAMES]
PLACE = Place("cpu", None, 1, offline=True)


class Dies(Silent):
    """Kills a run after its fourth step, one step beyond its checkpoint."""

    def stepped(self, training: TrainingState) -> None:
        """Raise."""
        if training.step == 4:
            raise ZeroDivisionError


@dataclass(frozen=True)
class Trained:
    """A run that was never interrupted."""

    entry: Entry
    recipe: Recipe
    run: RunDir
    start: dict[str, Tensor]
    end: dict[str, Tensor]

    @property
    def model(self) -> Model:
        """The generator."""
        return open_model(self.run, self.recipe)


def recipe_of(entry: Entry, folder: Path) -> Recipe:
    """Write and check a recipe."""
    tables = BASE | entry.tables
    text = "".join(f"[{name}]\n{content}\n" for name, content in tables.items())
    file = folder / f"{entry.file}.toml"
    file.write_text(f'{text}{entry.more}[[metric]]\nuse = "frechet"\n')
    return load_recipe(file, registry.load_plugins(FILES))


def run_in(
    recipe: Recipe, run: RunDir | Path, *, reporter: Silent | None = None, resume: bool = False
) -> tuple[RunDir, dict[str, Tensor]]:
    """Train in a folder, new or not; return it with every network as it was before."""
    told = reporter or Silent()
    parts = build(recipe, registry.load_plugins(FILES), PLACE, told)
    before: dict[str, Tensor] = {}
    for name, module in parts.networks.items():
        before |= {key: each.clone() for key, each in checkpoint.pack_module(name, module).items()}
    folder = new_run(parts, run, "zoo") if isinstance(run, Path) else run
    train(parts, folder, registry.load_plugins(FILES), told, resume=resume)
    return folder, before


def end_of(run: RunDir) -> dict[str, Tensor]:
    """Return the tensors of the last checkpoint."""
    tensors, state = checkpoint.read_checkpoint(checkpoints(run.checkpoints)[0])
    assert state.step == STEPS
    return tensors


@pytest.fixture(scope="module", params=ZOO, ids=NAMES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Return a run of each."""
    folder = tmp_path_factory.mktemp(request.param.file)
    recipe = recipe_of(request.param, folder)
    run, before = run_in(recipe, folder / "runs")
    return Trained(request.param, recipe, run, before, end_of(run))


def test_it_trains_and_is_measured(trained: Trained) -> None:
    result = trained.run.read_json("result.json")

    assert trained.run.read_json("status.json")["status"] == "done"
    assert "frechet" in str(result["metrics"])
    for network in ("generator", "discriminator"):
        moved = [key for key in trained.start if key.startswith(f"{network}/")]
        assert any(not torch.equal(trained.start[key], trained.end[key]) for key in moved)


def test_what_it_remembers_is_in_its_checkpoint(trained: Trained) -> None:
    owned = {key for key in trained.end if key.startswith("own/")}

    assert owned >= set(trained.entry.state)
    assert bool(owned) == bool(trained.entry.state)
    for key in trained.entry.state:
        assert not torch.equal(trained.start[key], trained.end[key])


def test_killed_and_resumed_it_ends_as_if_nothing_had_happened(
    trained: Trained, tmp_path: Path
) -> None:
    parts = build(trained.recipe, registry.load_plugins(FILES), PLACE, Silent())
    run = new_run(parts, tmp_path, "killed")
    with pytest.raises(ZeroDivisionError):
        train(parts, run, registry.load_plugins(FILES), Dies())

    run_in(trained.recipe, run, resume=True)

    again = end_of(run)
    assert again.keys() == trained.end.keys()
    assert all(torch.equal(again[key], trained.end[key]) for key in again)


def test_it_is_sampled(trained: Trained) -> None:
    images = trained.model.sample(3, seed=1)

    assert images.shape == (3, 1, 8, 8)
    assert bool(torch.isfinite(images).all())


def test_every_number_that_moves_is_in_the_log_and_drawn_by_its_key(tmp_path: Path) -> None:
    recipe = recipe_of(ZOO[NAMES.index("r3gan")], tmp_path)
    run, _ = run_in(recipe, tmp_path / "runs")

    entries, page = run.read_log(), run_page(run)
    for key, first, last in (
        ("optimizer.generator.lr", 1e-3 - 9e-4 / 6, 1e-3 - 9e-4 * 5 / 6),
        ("optimizer.discriminator.betas.1", 0.9 + 0.09 / 6, 0.9 + 0.09 * 5 / 6),
        ("regularizer.0.weight", 2.0 - 1.8 / 6, 2.0 - 1.8 * 5 / 6),
        ("view.0.p", 0.1, 0.5),
        ("ema.half_life", 3 - 2 * math.cos(math.pi / 6), 3 - 2 * math.cos(math.pi * 5 / 6)),
    ):
        # Lines are written after steps 2, 4 and 6, whose numbers are 1, 3 and 5.
        assert entries[0][f"ramp/{key}"] == pytest.approx(first), key
        assert entries[-1][f"ramp/{key}"] == pytest.approx(last), key
        assert f'aria-label="{key} over training steps"' in page


@pytest.mark.parametrize("name", ["conditional_dcgan", "path_length"])
def test_its_generator_is_exported(name: str, tmp_path: Path) -> None:
    for package in ("onnxruntime", "onnxscript"):
        pytest.importorskip(package)
    recipe = recipe_of(ZOO[NAMES.index(name)], tmp_path)
    run, _ = run_in(recipe, tmp_path / "runs")

    worst = export(open_model(run, recipe), run, "onnx", tmp_path / "g.onnx")

    assert worst < 1e-4
    assert (tmp_path / "g.onnx").is_file()


PLAN = """\
question = "Does it learn faster at twice the rate?"
base = "{base}"
seeds = [0, 1]
metrics = ["frechet"]
[budget]
steps = 20
[variants.plain]
[variants.faster]
optimizer.generator.lr = 4e-4
"""


@pytest.mark.slow
@pytest.mark.parametrize("entry", ZOO, ids=NAMES)
def test_two_variants_of_it_are_compared(entry: Entry, tmp_path: Path) -> None:
    recipe_of(entry, tmp_path)
    plan = tmp_path / "rates.toml"
    plan.write_text(PLAN.format(base=tmp_path / f"{entry.file}.toml"))
    words = ["ablate", plan, "--out", tmp_path / "runs", "--device", "cpu", "--offline"]
    for file in FILES:  # one takes its generator from another
        words += ["--plugin", file]

    done = CliRunner().invoke(ganzoo, [*map(str, words)])

    assert done.exit_code == 0, done.output
    (table,) = (tmp_path / "runs").rglob("table.json")
    assert {"plain", "faster"} <= set(table.read_text().replace('"', " ").split())
    assert len(list((tmp_path / "runs").rglob("generator.safetensors"))) == 4
    assert list((tmp_path / "runs").rglob("report.html"))
