"""A game around two networks of a trial, for components that are tried without a run."""

from __future__ import annotations

from torch import nn

from ganzoo.plugin.specs import DiscriminatorSpec, GeneratorSpec
from ganzoo.recipe.model import Recipe, Step
from ganzoo.training.half_step import Game

STEPS = 1000
"""Length of the run that a trial pretends to be in."""


def stage(generator: nn.Module, discriminator: nn.Module) -> Game:
    """Return a game of networks that are called without labels."""
    recipe = Recipe.model_construct(  # type: ignore[call-arg]
        generator=GeneratorSpec(), discriminator=DiscriminatorSpec(), step=Step(), view=[],
        regularizer=[],
    )  # fmt: skip
    return Game(recipe, generator, discriminator, STEPS)
