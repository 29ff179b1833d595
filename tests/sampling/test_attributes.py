"""Labels that are no classes: three numbers an image, from training to sampling."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from small_recipe import small

import ganzoo as library
from ganzoo.cli.app import ganzoo
from ganzoo.common.errors import GanzooError
from ganzoo.sampling.export import export
from ganzoo.session import Run

PLUGIN = '''
"""Grey images with three numbers each, and a generator that is told them."""
from typing import ClassVar

from ganzoo.api import DatasetSpec, GeneratorSpec, ImageData, fingerprint, hookimpl

GANZOO_API = 1


class Greys(DatasetSpec):
    """Grey images; the numbers are the brightness of their thirds."""

    use: ClassVar[str] = "greys"

    def build(self, root, split="train"):
        """Return 64 images."""
        import torch

        numbers = torch.rand(64, 3, generator=torch.Generator().manual_seed(len(split)))
        images = (255 * numbers).round().byte().repeat_interleave(4, 1)[:, None, None, :]
        images = images.expand(64, 1, 12, 12).contiguous()
        return ImageData(
            images, numbers, (), "made here", fingerprint("greys", images.numpy().tobytes())
        )


class Told(GeneratorSpec):
    """One layer over latent and numbers."""

    use: ClassVar[str] = "told"
    uses_labels: ClassVar[bool] = True

    def build(self, latent_size, image):
        """Return the network."""
        import torch

        class Network(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Linear(latent_size + image.label_shape[0], 144)

            def forward(self, latent, labels):
                return self.layer(torch.cat([latent, labels], 1)).tanh().view(-1, 1, 12, 12)

        return Network()


@hookimpl
def ganzoo_datasets():
    """Supply the images."""
    return [Greys]


@hookimpl
def ganzoo_generators():
    """Supply the generator."""
    return [Told]
'''


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a finished run on such data."""
    folder = tmp_path_factory.mktemp("attributes")
    (folder / "attributes_of_greys.py").write_text(PLUGIN)
    (folder / "r.toml").write_text(small(dataset="greys").replace("base_channels = 2\n", "", 1))
    text = (
        (folder / "r.toml")
        .read_text()
        .replace('use = "transpose"\nscales = [1, 2]\n', 'use = "told"\n')
    )
    (folder / "r.toml").write_text(text + "[samples]\nrows = 2\ncolumns = 3\n")
    return library.run(folder / "r.toml", plugins=[folder / "attributes_of_greys.py"],
                       out=folder / "runs", device="cpu", offline=True, quiet=True)  # fmt: skip


def test_a_model_takes_numbers_of_ones_own(told: Run) -> None:
    model = told.generator
    latents, labels = torch.zeros(2, model.recipe.latent.size), torch.tensor([[0.0] * 3, [9.0] * 3])

    images = model(latents, labels)

    assert model.image.label_shape == (3,)
    assert images.shape == (2, 1, 12, 12)
    assert not torch.equal(images[0], images[1])


def test_without_numbers_it_is_said_how_to_give_them(told: Run) -> None:
    with pytest.raises(
        GanzooError, match=r"not classes, \[3\] numbers per image.*generator\(latents"
    ):
        told.sample(2)
    with pytest.raises(GanzooError, match="no class '3': this data has no class labels"):
        told.sample(2, label=3)
    done = CliRunner().invoke(ganzoo, ["sample", str(told.path), "--plugin", str(told.plugins[0])])
    assert done.exit_code == 2
    assert "run.generator(latents, labels)" in " ".join(done.output.split())


def test_from_a_checkpoint_alone_the_shape_of_a_label_is_known(told: Run, tmp_path: Path) -> None:
    shutil.copytree(told.path, copy := tmp_path / "copy")
    (copy / "generator.safetensors").unlink()

    again = library.open_run(copy, plugins=told.plugins).generator

    assert again.image.label_shape == (3,)
    assert 'class="named"' not in told.report().read_text()


@pytest.mark.slow
def test_a_program_takes_numbers_as_its_second_input(told: Run, tmp_path: Path) -> None:
    export(told.generator, told.folder, "pt2", tmp_path / "g.pt2")

    program = torch.export.load(tmp_path / "g.pt2").module()
    latents, labels = torch.randn(5, told.recipe.latent.size), torch.rand(5, 3)
    assert torch.allclose(program(latents, labels), told.generator(latents, labels), atol=1e-5)
