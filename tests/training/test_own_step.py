"""A step is a component: the adversarial one is a plugin's, and a stranger's goes the same way."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from toys import RECIPE, REGISTRY, written

from ganzoo.common.data_root import DataRoot, data_root
from ganzoo.common.errors import GanzooError
from ganzoo.plugin.registry import Registry, load_plugins
from ganzoo.plugin.specs import StepSpec
from ganzoo.plugin.types import Part, Play, Terms
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.model import digest, freeze, plain
from ganzoo.recipe.source import find_recipe
from ganzoo.training.machine import set_up
from ganzoo.training.own_step import OwnStep
from ganzoo.training.parts import Parts, assemble
from ganzoo.training.state import Silent
from ganzoo.training.trial import try_out

HERE = Path(__file__).parents[1] / "plugin/third_party"
TINY = ["train.batch_size=8", "generator.base_channels=2", "discriminator.base_channels=2"]


class Forgetful(StepSpec):
    """Never moves the discriminator."""

    use: ClassVar[str] = "forgetful"

    def update(self, play: Play) -> Terms:
        """Move the generator alone."""
        return play.minimise("generator", liked)


class Cut(StepSpec):
    """Cuts its generator's images off."""

    use: ClassVar[str] = "cut"

    def update(self, play: Play) -> Terms:
        """Move both, one of them by nothing."""
        return {
            **play.minimise("discriminator", judged),
            **play.minimise("generator", lambda part: _cut(part)),
        }


def liked(part: Part) -> Terms:
    return part.terms("generator", part.make("generator"))


def judged(part: Part) -> Terms:
    return part.terms("discriminator", part.make("generator"))


def _cut(part: Part) -> Terms:
    return part.terms("generator", part.make("generator").detach())


def assembled(name: str, *overrides: str, registry: Registry | None = None) -> Parts:
    registry = registry or load_plugins([HERE / "extragradient.py"])
    recipe = load_recipe(find_recipe(name), registry, [*TINY, *overrides])
    machine, _ = set_up("cpu", threads=1)
    return assemble(recipe, registry, DataRoot(data_root(None), False), machine, warn=print)


def test_a_recipe_that_says_nothing_of_its_step_keeps_its_digest(tmp_path: Path) -> None:
    path = written(tmp_path, RECIPE)
    recipe = load_recipe(path, REGISTRY)

    assert recipe.step.use == "adversarial"
    assert digest(recipe) == "55b7a89394ef44ccaa6f809d924ed3ed365c0f9f79034ef94f5fe42de9ebd6fb"
    assert "use" not in plain(recipe)["step"]
    again = tmp_path / "again.toml"
    again.write_text(freeze(recipe))
    assert load_recipe(again, REGISTRY) == recipe
    named = load_recipe(path, REGISTRY, ["step.use='adversarial'"])
    assert digest(named) == digest(recipe)


def test_two_halves_through_a_plugins_eyes_end_in_the_same_bits() -> None:
    first, second = assembled("dcgan_digits"), assembled("dcgan_digits")
    again = OwnStep(second.recipe, second.sides, second.noise, steps=second.steps)
    for number in range(3):
        one = first.step(number, first.feed, observe=True)
        other = again(number, second.feed, observe=True)
        assert one.keys() == other.keys()
        assert all(torch.equal(value, other[name]) for name, value in one.items())

    for name, network in first.networks.items():
        there = second.networks[name].state_dict()
        assert all(torch.equal(value, there[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (Forgetful(), "step 'forgetful' never moves its player 'discriminator'"),
        (Cut(), "step 'cut' moves its player 'generator' by no gradient"),
    ],
)
def test_a_step_that_trains_nothing_is_told_before_step_1(spec: StepSpec, says: str) -> None:
    parts = assembled("dcgan_digits", "step.use='zoo_extragradient'")
    parts.recipe = parts.recipe.model_copy(update={"step": spec})

    with pytest.raises(GanzooError, match=says):
        try_out(parts, Silent())


def test_trying_a_step_leaves_no_trace() -> None:
    parts = assembled("dcgan_digits", "step.use='zoo_extragradient'")
    before = {name: {k: v.clone() for k, v in net.state_dict().items()}
              for name, net in parts.networks.items()}  # fmt: skip

    try_out(parts, Silent())

    for name, network in parts.networks.items():
        state = network.state_dict()
        assert all(torch.equal(state[key], value) for key, value in before[name].items())
    assert not any(side.optimizer.state for side in parts.sides.values())


def test_a_name_that_is_no_player_is_told() -> None:
    class Astray(StepSpec):
        """Moves somebody else."""

        use: ClassVar[str] = "astray"

        def update(self, play: Play) -> Terms:
            """Move nobody there is."""
            return play.minimise("encoder", liked)

    parts = assembled("dcgan_digits", "step.use='zoo_extragradient'")
    parts.recipe = parts.recipe.model_copy(update={"step": Astray()})
    with pytest.raises(GanzooError, match="asks for a player 'encoder'; there are 'generator'"):
        try_out(parts, Silent())
