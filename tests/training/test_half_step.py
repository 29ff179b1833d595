"""What one side of a step sees, and what it does not ask for."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from children import assembled, write_recipe
from torch import Tensor, nn

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.specs import (
    AdversarialSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    LossSpec,
    RegularizerSpec,
)
from ganzoo.plugin.types import Context, Terms
from ganzoo.recipe.model import Recipe
from ganzoo.recipe.source import find_recipe
from ganzoo.training.drawing import Part, Rows
from ganzoo.training.feed import Batch
from ganzoo.training.half_step import Game, HalfStep, Player, Players, half_step, terms_of

N = 8
IMAGES = torch.rand(N, 1, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.double)


class Real(LossSpec):
    """Looks at the real images alone."""

    use: ClassVar[str] = "real"

    def discriminator_terms(self, ctx: Context) -> dict[str, Tensor]:
        return {"real": ctx.real_logits.mean()}


class Same(RegularizerSpec):
    """A term of one."""

    use: ClassVar[str] = "same"

    def discriminator_terms(self, ctx: Context) -> dict[str, Tensor]:
        return {"same": ctx.real_logits.new_tensor(self.weight)}


class Slope(RegularizerSpec):
    """Takes the slope at the fakes without saying so."""

    use: ClassVar[str] = "slope"

    def discriminator_terms(self, ctx: Context) -> dict[str, Tensor]:
        return {"slope": ctx.image_gradient("fake").square().mean()}


class Critic(DiscriminatorSpec):
    """Has a name."""

    use: ClassVar[str] = "critic"


class Scorer(nn.Module):
    """Scores by the mean, with noise on every image; counts what it is asked."""

    def __init__(self, **more: Tensor) -> None:
        super().__init__()
        self.more = more
        self.asked = 0

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        self.asked += 1
        noise = torch.rand_like(images)
        return {"logits": (images + noise).mean((1, 2, 3)), **self.more}


def half(
    discriminator: nn.Module,
    *penalties: RegularizerSpec,
    batching: str = "separate",
    rows: Rows | None = None,
    **game: Any,
) -> tuple[HalfStep, Players]:
    """Return the discriminator's half, on the whole batch or on a part of it."""
    step = AdversarialSpec.model_validate({"batching": batching})
    recipe = Recipe.model_construct(  # type: ignore[call-arg]
        generator=GeneratorSpec(), discriminator=Critic(), step=step, view=[]
    )
    players = Players(Player(Real()), [Player(each) for each in penalties])
    part = IMAGES if rows is None else IMAGES[rows.start : rows.start + rows.count]
    shared = Game(recipe, nn.Identity(), discriminator, **game)
    made = {"images": 1 - part}
    return half_step(
        shared, "discriminator", 3, Batch(part, None), made, part, players, rows
    ), players


@pytest.mark.parametrize("batching", ["separate", "joint"])
def test_a_part_is_scored_with_what_was_drawn_for_its_images_in_the_whole_batch(
    batching: str,
) -> None:
    torch.manual_seed(0)
    whole, _ = half(Scorer(), batching=batching)
    wanted = torch.stack([whole.real_logits, whole.fake_logits])

    for start, count in ((0, 4), (4, 4), (2, 2)):
        rows = Rows(start, count, N)
        torch.manual_seed(0)
        with Part(rows):
            part, _ = half(Scorer(), batching=batching, rows=rows)
            found = torch.stack([part.real_logits, part.fake_logits])
        torch.testing.assert_close(found, wanted[:, start : start + count], rtol=0, atol=0)


@pytest.mark.parametrize("odd", [torch.tensor(1.0), torch.ones(N), torch.ones(3, 2 * N)])
def test_an_answer_without_an_entry_for_each_image_cannot_be_split_and_is_named(
    odd: Tensor,
) -> None:
    context, _ = half(Scorer(odd=odd), batching="joint")

    with pytest.raises(
        GanzooError, match=r"'critic' returned 'odd' as .* for 16 images; step\.batching"
    ):
        assert context.real_logits is not None
    separate, _ = half(Scorer(odd=odd))
    assert len(separate.real_logits) == N


def test_looking_at_what_was_scored_scores_nothing() -> None:
    network = Scorer()
    context, players = half(network)
    assert (context.has_logits, context.has_fake_logits) == (False, False)

    terms_of(context, players)
    assert (context.has_logits, context.has_fake_logits, network.asked) == (False, False, 1)
    assert len(context.fake_logits) == N
    assert (context.has_logits, context.has_fake_logits, network.asked) == (True, True, 2)


def test_a_half_shows_both_networks_and_knows_who_has_asked_for_the_step() -> None:
    network = Scorer()
    context, _ = half(network, steps=9)

    assert context.discriminator is network
    assert isinstance(context.generator, nn.Identity)
    assert context.steps == 9
    assert not context.reads_step
    assert context.step == 3
    assert context.reads_step


def test_a_game_is_the_same_for_all_steps_and_has_no_length_unless_told() -> None:
    context, _ = half(Scorer())

    assert context.steps == 0
    with pytest.raises(FrozenInstanceError):
        context._game.steps = 1  # type: ignore[misc]


@pytest.mark.parametrize("every", [1, 2, 16])
def test_a_term_of_every_nth_update_counts_n_times(every: int) -> None:
    context, players = half(Scorer(), Same(weight=3.0, every=every))

    assert float(terms_of(context, players)["same"]) == 3 * every


def test_a_slope_at_the_fakes_that_was_not_declared_is_named() -> None:
    context, players = half(Scorer(), Slope())

    with pytest.raises(GanzooError, match="add 'fake_gradient' to its 'needs'"):
        terms_of(context, players)


@pytest.mark.parametrize("name", ["r", "cyclegan_digits"])
def test_a_loss_can_read_what_moves_the_discriminator_it_asks(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_recipe(tmp_path) if name == "r" else find_recipe(name)
    parts, _ = assembled(path, ("train.batch_size=2",))
    found = []
    spec: Any = type(parts.recipe.loss)
    for half in ("discriminator_terms", "generator_terms"):
        original = getattr(spec, half)

        def spying(self: Any, ctx: Context, original: Any = original) -> Terms:
            terms: Terms = original(self, ctx)
            found.append((ctx.discriminator, ctx.discriminator_optimizer))
            return terms

        monkeypatch.setattr(spec, half, spying)

    parts.step(0, parts.feed)

    movers = {id(side.network): side.optimizer for side in parts.sides.values()}
    assert len(found) >= 2
    assert all(optimizer is movers[id(network)] for network, optimizer in found)
