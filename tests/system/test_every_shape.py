"""A generator of every shape through everything that is done with one: one test for each pair."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.torch import load_file

import ganzoo as library
from ganzoo.cli.app import ganzoo
from ganzoo.session import Run

pytestmark = pytest.mark.slow
PAPERS = Path(__file__).parents[1] / "plugin" / "third_party"
RECIPE = """\
[train]
steps = 6
batch_size = 8
log_every = 2
[latent]
size = 8
[dataset]
use = "digits"
size = 8
[generator]
{generator}
[discriminator]
use = "conv"
base_channels = 4
strides = [2]
norm = "none"
[loss]
use = "bce"
[optimizer.generator]
use = "adam"
[optimizer.discriminator]
use = "adam"
[samples]
rows = 3
columns = 4
every = 3
[checkpoint]
every = 2
[measure]
samples = 16
reference = 16
network = "random"
[[metric]]
use = "frechet"
"""
PLAN = """\
question = "Are two sizes of a stranger's generator alike?"
base = "{base}"
seeds = [0, 1]
metrics = ["frechet"]
[budget]
steps = 4
[recipe.checkpoint]
every = 2
[variants.small]
[variants.large]
generator.{change}
"""


@dataclass(frozen=True)
class Shape:
    """A kind of generator.

    Attributes:
        change: what a second variant of it changes.
        extra: words that 'sample' takes for this shape alone.
    """

    name: str
    file: str
    generator: str
    change: str
    extra: tuple[str, ...] = ()

    @property
    def plugin(self) -> tuple[str, ...]:
        """The words that name its file."""
        return ("--plugin", str(PAPERS / f"{self.file}.py"))


SHAPES = [
    Shape("plain", "r3gan", 'use = "zoo_r3"', "width = 4"),
    Shape(
        "labels", "conditional_dcgan", 'use = "zoo_conditional"', "width = 4", ("--label", "all")
    ),
    Shape("extras", "path_length", 'use = "zoo_style"', "width = 8"),
    Shape("knobs", "infogan", 'use = "zoo_coded"', "codes = 3", ("--set", "generator.code=1")),
]


@dataclass(frozen=True)
class Made:
    """A finished run of a shape, and the recipe it was made from."""

    shape: Shape
    recipe: Path
    folder: Path

    def call(self, verb: str, *words: str | Path) -> Result:
        """Call a verb with the run and its plugin; it must succeed."""
        return call(verb, self.folder, *words, *self.shape.plugin)

    @property
    def run(self) -> Run:
        """The run as Python sees it."""
        return library.open_run(self.folder, plugins=[self.shape.plugin[1]])


def call(*words: str | Path) -> Result:
    """Call the command line in this process; it must succeed."""
    done = CliRunner().invoke(ganzoo, [str(word) for word in words])
    assert done.exit_code == 0, f"{words}\n{done.output}"
    return done


def trained(shape: Shape, recipe: Path, out: Path, *words: str) -> Path:
    """Train and return the run's folder."""
    call("run", recipe, "--out", out, "--device", "cpu", "--offline", *words, *shape.plugin)
    return next(path.parent for path in out.glob("*/*/recipe.toml"))


@pytest.fixture(scope="module", params=SHAPES, ids=lambda shape: shape.name)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return a run of each shape."""
    shape = request.param
    folder = tmp_path_factory.mktemp(shape.name)
    recipe = folder / f"{shape.name}.toml"
    recipe.write_text(RECIPE.format(generator=shape.generator))
    return Made(shape, recipe, trained(shape, recipe, folder / "runs"))


def test_run(made: Made) -> None:
    assert made.run.status == "done"
    assert json.loads((made.folder / "result.json").read_text())["step"] == 6


def test_resume(made: Made, tmp_path: Path) -> None:
    folder = trained(made.shape, made.recipe, tmp_path, "--set", "train.steps=4")

    call("resume", folder, "--set", "train.steps=6", "--device", "cpu", "--offline",
         *made.shape.plugin)  # fmt: skip

    again = load_file(folder / "generator.safetensors")
    whole = load_file(made.folder / "generator.safetensors")
    assert all(torch.equal(again[name], whole[name]) for name in whole)


def test_sheet(made: Made) -> None:
    with Image.open(made.folder / "samples" / "step-000006.png") as sheet:
        assert sheet.size == (4 * 10 + 2, 3 * 10 + 2)
    rows = json.loads((made.folder / "environment.json").read_text()).get("sheet", {}).get("rows")
    assert rows == (["0", "1", "2"] if made.shape.name == "labels" else None)


def test_sample(made: Made, tmp_path: Path) -> None:
    for number, words in enumerate(((), made.shape.extra)):
        made.call("sample", "-n", "4", "--file", tmp_path / f"{number}.png", *words)

    first, second = (Image.open(tmp_path / f"{number}.png").tobytes() for number in (0, 1))
    assert (first != second) == bool(made.shape.extra)
    made.call("sample", "-n", "3", "--single", "--file", tmp_path / "single")
    assert len(list((tmp_path / "single").glob("*.png"))) == 3


def test_walk(made: Made, tmp_path: Path) -> None:
    made.call("sample", "--walk", "-n", "9", "--file", tmp_path / "walk.png")
    made.call("sample", "--gif", "-n", "8", "--file", tmp_path / "walk.gif")

    with Image.open(tmp_path / "walk.gif") as film:
        assert film.n_frames == 8  # type: ignore[attr-defined]
    if made.shape.name == "labels":
        assert made.run.generator.blends_classes
        made.call("sample", "--walk", "--label", "3", "--label", "7")


@pytest.mark.parametrize("to", ["safetensors", "pt2", "onnx", "hub"])
def test_export(made: Made, to: str, tmp_path: Path) -> None:
    if to == "onnx" and not (find_spec("onnxscript") and find_spec("onnxruntime")):
        pytest.skip("the extra 'onnx' is not installed")

    made.call("export", "--to", to, "--file", tmp_path / "exported")

    assert (tmp_path / "exported").exists()
    if to == "hub":
        call("sample", tmp_path / "exported", "-n", "4", *made.shape.plugin, "--file",
             tmp_path / "again.png")  # fmt: skip
        made.call("sample", "-n", "4", "--file", tmp_path / "first.png")
        assert (tmp_path / "again.png").read_bytes() == (tmp_path / "first.png").read_bytes()


def test_measure(made: Made) -> None:
    told = json.loads(made.call("measure", "--json", "--device", "cpu", "--offline").stdout)

    assert told["metrics"]["frechet"]["last"]["value"] > 0
    conditional = made.call(
        "measure", "--json", "--device", "cpu", "--offline",
        "--set", 'metric=[{use="frechet"},{use="intra_frechet"},{use="gan_train_test"}]',
        "--set", "measure.samples=40", "--set", "measure.reference=40",
    )  # fmt: skip
    found = json.loads(conditional.stdout)
    assert ("gan_train" in found["metrics"]) == (made.shape.name == "labels")
    assert ("gan_train" in found["unmeasured"]) == (made.shape.name != "labels")


def test_ablate_compares_two_variants_of_a_strangers_generator(made: Made, tmp_path: Path) -> None:
    plan = tmp_path / "sizes.toml"
    plan.write_text(PLAN.format(base=made.recipe, change=made.shape.change))

    call("ablate", plan, "--out", tmp_path / "runs", "--device", "cpu", "--offline",
         *made.shape.plugin)  # fmt: skip

    tables = list((tmp_path / "runs").rglob("table.json"))
    assert len(tables) == 1
    assert {"small", "large"} <= set(tables[0].read_text().replace('"', " ").split())
    cells = [path.parent for path in (tmp_path / "runs").rglob("generator.safetensors")]
    assert len(cells) == 4
    weights = {path.parent: load_file(path) for path in (tmp_path / "runs").rglob("gen*.safetens*")}
    sizes = {sum(value.numel() for value in each.values()) for each in weights.values()}
    assert len(sizes) == (1 if made.shape.name == "knobs" else 2)
    assert list((tmp_path / "runs").rglob("report.html"))


def test_report(made: Made) -> None:
    call("report", made.folder)
    page = (made.folder / "report.html").read_text()

    assert "samples, step 6" in page
    assert ('<div class="named">' in page) == (made.shape.name == "labels")


def test_notebook(made: Made) -> None:
    run = made.run
    images = run.sample(5, seed=1)

    assert images.shape == (5, 1, 8, 8)
    assert images._repr_png_().startswith(b"\x89PNG")
    assert (run._repr_png_() or b"").startswith(b"\x89PNG")
    assert len(list(run.generator.walk(3))) == 3
    if made.shape.name == "labels":
        assert run.sample(2, label="all").shape == (20, 1, 8, 8)
