"""A game around two networks of a trial, for components that are tried on known logits."""

from __future__ import annotations

from torch import nn

from ganzoo.plugin.specs import AdversarialSpec, DiscriminatorSpec, GeneratorSpec
from ganzoo.recipe.model import Recipe
from ganzoo.testing.scene import STEPS
from ganzoo.training.half_step import Game


def stage(
    generator: nn.Module,
    discriminator: nn.Module,
    specs: tuple[GeneratorSpec, DiscriminatorSpec] | None = None,
) -> Game:
    """Return a game of networks; without specs they are called without labels."""
    first, second = specs or (GeneratorSpec(), DiscriminatorSpec())
    recipe = Recipe.model_construct(  # type: ignore[call-arg]
        generator=first, discriminator=second, step=AdversarialSpec(), view=[], regularizer=[]
    )
    return Game(recipe, generator, discriminator, STEPS)
