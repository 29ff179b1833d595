"""Each way in which a component of the second contract can be wrong is told by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_recipe import small

import ganzoo
from ganzoo.common.errors import GanzooError

HEAD = """
from typing import ClassVar
import torch
from torch import nn
from ganzoo.api import (
    DiscriminatorSpec, GeneratorSpec, LossSpec, OptimizerSpec, RegularizerSpec, ViewSpec, hookimpl)
"""
GENERATOR = """
class Odd(GeneratorSpec):
    \"\"\"A generator.\"\"\"
    use: ClassVar[str] = "odd"
    def latents(self, z): return {latents}
    def build(self, latent_size, image):
        pixels = image.channels * image.height * image.width
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.linear = nn.Linear(latent_size, pixels)
            def forward(self, z):
                made = torch.tanh(self.linear(z)).view(
                    -1, image.channels, image.height, image.width)
                return {returned}
        return Net()

@hookimpl
def ganzoo_generators(): return [Odd]
"""
LOSS = """
class Odd(LossSpec):
    \"\"\"A loss.\"\"\"
    use: ClassVar[str] = "odd"
    def module(self, latent_size, image): {body}
    def discriminator_terms(self, ctx): return {{"all": ctx.fake_logits.mean()}}
    def generator_terms(self, ctx): return {{"all": -ctx.fake_logits.mean()}}

@hookimpl
def ganzoo_losses(): return [Odd]
"""
VIEW = """
class Odd(ViewSpec):
    \"\"\"A view.\"\"\"
    use: ClassVar[str] = "odd"
    def apply(self, images, which): {apply}
    def observe(self, ctx): {observe}

@hookimpl
def ganzoo_views(): return [Odd]
"""

OPTIMIZER = """
class Odd(OptimizerSpec):
    \"\"\"An optimizer.\"\"\"
    use: ClassVar[str] = "odd"
    def build(self, parameters): return torch.optim.SGD(parameters, lr=self.lr)
    def adjust(self, optimizer, update, total): raise IndexError("no such group")

@hookimpl
def ganzoo_optimizers(): return [Odd]
"""
PENALTY = """
class Odd(RegularizerSpec):
    \"\"\"A constraint.\"\"\"
    use: ClassVar[str] = "odd"
    def constrain(self, discriminator): discriminator.nothing

@hookimpl
def ganzoo_regularizers(): return [Odd]
"""


def generator(latents: str = "z", returned: str = "made") -> tuple[str, dict[str, Any]]:
    """Return a plugin with an odd generator, and what chooses it."""
    text = GENERATOR.format(latents=latents, returned=returned)
    return text, {"generator": {"use": "odd"}}


def view(apply: str = "return images", observe: str = "return") -> tuple[str, dict[str, Any]]:
    """Return a plugin with an odd view, and what chooses it."""
    return VIEW.format(apply=apply, observe=observe), {"view": [{"use": "odd"}]}


def loss(body: str) -> tuple[str, dict[str, Any]]:
    """Return a plugin with an odd loss, and what chooses it."""
    return LOSS.format(body=body), {"loss": {"use": "odd"}}


@pytest.mark.parametrize(
    ("plugin", "told"),
    [
        (generator(returned="{'pictures': made}"), "generator 'odd' returned a mapping of "
         "'pictures' without 'images'"),
        (generator(returned="{'images': made, 'w': 3}"), "generator 'odd' returned 'w' as int"),
        (generator(returned="{'images': made, 'w': made / 0}"), "generator 'odd' returned 'w' with "
         "values that are not finite"),
        (generator(returned="[made]"), "generator 'odd' returned list, expected a tensor, or a "
         "mapping"),
        (generator(latents="z[:1]"), r"generator 'odd': latents\(\) returned \(1, "),
        (generator(latents="None"), r"generator 'odd': latents\(\) returned NoneType"),
        (loss("return 3"), r"loss 'odd': module\(\) returned no torch module"),
        (loss("raise ValueError('no room')"), r"loss 'odd' failed at module\(\): ValueError: "
         "no room"),
        (view(apply="return images if which == 'fake' else 1 / 0"),
         "view 'odd' failed at changing real images: ZeroDivisionError"),
        ((OPTIMIZER, {"optimizer.generator": {"use": "odd"}}),
         r"optimizer 'odd' failed at adjust\(\): IndexError: no such group \("),
        ((PENALTY, {"regularizer": [{"use": "odd"}]}),
         r"regularizer 'odd' failed at constrain\(\): AttributeError"),
        (view(observe="raise KeyError('p')"), r"view 'odd' failed at observe\(\): KeyError"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_by_the_name_of_its_component(
    plugin: tuple[str, dict[str, Any]], told: str, tmp_path: Path
) -> None:
    text, chosen = plugin
    file = tmp_path / f"{tmp_path.name}.py"  # a module keeps its name for the whole process
    file.write_text(HEAD + text)
    recipe = tmp_path / "r.toml"
    recipe.write_text(small())

    with pytest.raises(GanzooError, match=told):
        ganzoo.run(
            recipe, chosen, plugins=[file], out=tmp_path / "runs", device="cpu", offline=True,
            quiet=True,
        )  # fmt: skip
