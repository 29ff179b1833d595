"""Where R1 and R2 take their slope: at the plain images, through the views."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pytest
import torch
from torch import Tensor, nn

from ganzoo.plugin.specs import (
    AdversarialSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    LossSpec,
    ViewSpec,
)
from ganzoo.recipe.model import Recipe
from ganzoo.training.feed import Batch
from ganzoo.training.half_step import Game, HalfStep, Player, Players, half_step
from ganzoo_regularizers.zero_centered import R1, R2
from ganzoo_views.pack import Pack

N = 6


class Halved(ViewSpec):
    """Shows images at half their strength."""

    use: ClassVar[str] = "halved"

    def apply(self, images: Tensor, which: Literal["real", "fake"]) -> Tensor:  # noqa: ARG002
        return images / 2


class Sum(nn.Module):
    """A critic whose slope is 1 at every pixel."""

    def forward(self, images: Tensor) -> Tensor:
        return images.sum((1, 2, 3))


def half(views: list[ViewSpec], batching: str = "separate") -> HalfStep:
    """Return the discriminator's half with such views."""
    recipe = Recipe.model_construct(  # type: ignore[call-arg]
        generator=GeneratorSpec(), discriminator=DiscriminatorSpec(),
        step=AdversarialSpec.model_validate({"batching": batching}), view=views, regularizer=[],
    )  # fmt: skip
    players = Players(
        Player(LossSpec()), [Player(R1()), Player(R2())], [Player(view) for view in views]
    )
    images = torch.randn(N, 1, 2, 2, dtype=torch.float64)
    game = Game(recipe, nn.Identity(), Sum())
    made = {"images": images.clone()}
    return half_step(game, "discriminator", 0, Batch(images, None), made, images, players)


@pytest.mark.parametrize("penalty", [R1, R2])
@pytest.mark.parametrize("batching", ["separate", "joint"])
def test_the_slope_goes_through_the_view_unless_it_is_asked_at_what_is_seen(
    penalty: Any, batching: str
) -> None:
    use = penalty.use

    at_images = penalty(weight=2.0).discriminator_terms(half([Halved()], batching))[use]
    at_view = penalty(weight=2.0, at="view").discriminator_terms(half([Halved()], batching))[use]

    # Four pixels, slope 1/2 at each through the view, and 1 at what is seen.
    assert float(at_images) == pytest.approx(4 * 0.25, rel=1e-12)
    assert float(at_view) == pytest.approx(4, rel=1e-12)


def test_a_pack_is_judged_as_one_thing() -> None:
    context = half([Pack()])

    assert context.image_gradient("real").shape == context.real.shape == (N // 2, 2, 2, 2)


def test_without_views_both_places_are_the_same() -> None:
    context = half([])

    assert torch.equal(context.image_gradient("real"), context.image_gradient("real", "view"))
