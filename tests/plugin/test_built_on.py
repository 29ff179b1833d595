"""A plugin that builds on what is there: a built-in network with a knob, an optimizer of groups."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_recipe import small
from torch.nn.utils import parametrize

import ganzoo as library
from ganzoo.plugin import registry
from ganzoo.recipe.check import load_recipe
from ganzoo.session import build
from ganzoo.training.place import Place
from ganzoo.training.state import Silent

PLUGIN = Path(__file__).parent / "third_party" / "built_on.py"
TABLES = {
    "generator.use": "zoo_spectral",
    "optimizer.generator": {"use": "zoo_two_rates", "lr": {"start": 1e-3, "end": 1e-4}},
}


def test_each_group_keeps_its_own_rate_while_a_ramp_moves_both(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(small(steps=10))
    recipe = library.load(tmp_path / "r.toml", TABLES, plugins=[PLUGIN])
    parts = build(recipe, registry.load_plugins([PLUGIN]), Place("cpu", None, 1), Silent())
    side = parts.generator

    rates = []
    for update in (0, 5, 10):
        side.adjust(update)
        rates.append([group["lr"] for group in side.optimizer.param_groups])

    assert rates[0] == pytest.approx([1e-3, 1e-4])
    assert rates[1] == pytest.approx([5.5e-4, 5.5e-5])
    assert rates[2] == pytest.approx([1e-4, 1e-5])
    assert any(parametrize.is_parametrized(layer) for layer in side.network.modules())


def test_its_knob_is_turned_after_training(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(small())
    made = library.run(tmp_path / "r.toml", TABLES, plugins=[PLUGIN], out=tmp_path, device="cpu",
                       offline=True, quiet=True)  # fmt: skip
    turned = load_recipe(
        made.folder.recipe, registry.load_plugins([PLUGIN]), ["generator.truncation=0.5"]
    )

    z = torch.randn(3, turned.latent.size)
    assert torch.equal(turned.generator.latents(z), 0.5 * z)
    assert not torch.equal(made.recipe.generator.latents(z), turned.generator.latents(z))
