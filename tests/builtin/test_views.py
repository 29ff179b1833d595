"""Views: what they do to images, what the step shows of them, what a recipe may combine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small_recipe import small
from torch import Tensor, nn

from ganzoo.common.errors import GanzooError
from ganzoo.plugin import registry
from ganzoo.plugin.specs import RegularizerSpec
from ganzoo.plugin.types import ImageShape
from ganzoo.recipe import model as recipes
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.problems import RecipeError
from ganzoo.training.feed import Batch
from ganzoo.training.guards import players_of
from ganzoo.training.half_step import Game, HalfStep, Player, apply_views, half_step, seen_shape
from ganzoo_regularizers.dragan import Dragan
from ganzoo_regularizers.gradient_penalty import GradientPenalty
from ganzoo_regularizers.zero_centered import R1, R2
from ganzoo_views import DiffAugment, Flip, Pack
from ganzoo_views.augmentations import color, cutout, translation

REGISTRY = registry.load_plugins(block={"*"})
SMALL = small(loss="wasserstein")


def images(count: int = 8, channels: int = 3, side: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, channels, side, side, generator=generator) * 2 - 1


def read(folder: Path, text: str) -> recipes.Recipe:
    path = folder / "r.toml"
    path.write_text(text)
    return load_recipe(path, REGISTRY)


def test_flip_mirrors_each_real_image_or_leaves_it_and_leaves_fakes_alone() -> None:
    batch = images(200)
    torch.manual_seed(0)

    seen = Flip().apply(batch, "real")

    is_same = (seen == batch).flatten(1).all(1)
    is_mirrored = (seen == batch.flip(3)).flatten(1).all(1)
    assert bool((is_same ^ is_mirrored).all())
    assert 70 < int(is_mirrored.sum()) < 130
    assert Flip().apply(batch, "fake") is batch
    assert torch.equal(Flip(probability=1.0, images="all").apply(batch, "fake"), batch.flip(3))


def test_a_probability_of_0_or_1_leaves_nothing_to_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = images(2)
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.zeros(shape))

    assert torch.equal(Flip(probability=0.0).apply(batch, "real"), batch)
    assert torch.equal(Flip(probability=1e-9).apply(batch, "real"), batch.flip(3))


def test_a_pack_is_images_one_upon_the_other_as_channels() -> None:
    batch = images(7)

    seen = Pack(size=3).apply(batch, "real")

    assert seen.shape == (2, 9, 8, 8)
    assert torch.equal(seen[1], torch.cat([batch[3], batch[4], batch[5]]))
    assert Pack(size=3).shape(ImageShape(3, 8, 8)) == ImageShape(9, 8, 8)
    with pytest.raises(GanzooError, match=r"2 fake images .* pack of 3; raise train.batch_size"):
        Pack(size=3).apply(batch[:2], "fake")


def test_colours_keep_what_brightness_saturation_and_contrast_keep() -> None:
    torch.manual_seed(0)
    flat = torch.full((500, 1, 2, 2), 0.25)

    seen = color(flat)

    moved = (seen - flat)[:, 0, 0, 0]
    assert bool((seen == seen[:, :, :1, :1]).all())
    assert float(moved.min()) >= -0.5
    assert float(moved.max()) < 0.5
    assert float(moved.std()) == pytest.approx((1 / 12) ** 0.5, rel=0.1)


def test_saturation_and_contrast_multiply_by_the_authors_ranges() -> None:
    torch.manual_seed(0)
    batch = images(2000, 3, 2).double()

    seen = color(batch)

    # Brightness moves the mean, contrast what grey differs by, saturation what colours differ by.
    grey, grey_seen = batch.mean(1, keepdim=True), seen.mean(1, keepdim=True)
    mean, mean_seen = (each.mean((1, 2, 3), keepdim=True) for each in (batch, seen))
    contrast = ((grey_seen - mean_seen) / (grey - mean)).mean((1, 2, 3), keepdim=True)
    spread = (seen - grey_seen).std((1, 2, 3), keepdim=True)
    saturation = spread / (batch - grey).std((1, 2, 3), keepdim=True) / contrast
    rebuilt = mean_seen + contrast * ((grey - mean) + saturation * (batch - grey))
    torch.testing.assert_close(seen, rebuilt, rtol=0, atol=1e-9)
    for drawn, low, high in (
        (mean_seen - mean, -0.5, 0.5), (saturation, 0, 2), (contrast, 0.5, 1.5)
    ):  # fmt: skip
        ends = (float(drawn.min()), float(drawn.mean()), float(drawn.max()))
        assert ends == pytest.approx((low, (low + high) / 2, high), abs=0.05)


def test_a_translation_moves_the_image_by_at_most_an_eighth_and_brings_in_zeros() -> None:
    torch.manual_seed(0)
    batch = images(300, 1, 16)

    seen = translation(batch)

    shifts = set()
    for before, after in zip(batch[:, 0], seen[:, 0], strict=True):
        padded = torch.nn.functional.pad(before, (2, 2, 2, 2))
        found = [
            (down, right)
            for down in range(5)
            for right in range(5)
            if torch.equal(padded[down : down + 16, right : right + 16], after)
        ]
        assert len(found) == 1
        shifts |= set(found)
    assert len(shifts) == 25


def test_a_cutout_is_a_square_of_half_the_side() -> None:
    torch.manual_seed(0)
    seen = cutout(torch.ones(300, 2, 8, 8))

    holes = (seen == 0)[:, 0]
    assert torch.equal(holes, (seen == 0)[:, 1])
    heights = holes.any(2).sum(1)
    widths = holes.any(1).sum(1)
    assert torch.equal(holes.sum((1, 2)), heights * widths)
    assert (int(heights.max()), int(heights.min())) == (4, 2)


@pytest.mark.parametrize(("height", "width"), [(8, 6), (5, 8)])
def test_a_hole_lies_anywhere_and_partly_outside(height: int, width: int) -> None:
    torch.manual_seed(0)
    holes = (cutout(torch.ones(400, 1, height, width)) == 0)[:, 0]

    for side, covered in ((height, holes.any(2)), (width, holes.any(1))):
        size = (side + 1) // 2
        # Its centre is at any pixel, and one beyond the last where an even hole has two.
        first = [centre - size // 2 for centre in range(side + 1 - size % 2)]
        places = {tuple(max(0, at) <= x < at + size for x in range(side)) for at in first}
        assert {tuple(map(bool, row)) for row in covered} == places


def test_the_generator_learns_through_diffaugment() -> None:
    torch.manual_seed(0)
    fake = images().requires_grad_()

    DiffAugment().apply(fake, "fake").square().sum().backward()

    assert fake.grad is not None
    assert float(fake.grad.abs().sum()) > 0


class Mean(nn.Module):
    def forward(self, seen: Tensor) -> Tensor:
        return seen.mean((1, 2, 3))


def test_both_halves_of_a_step_show_terms_the_viewed_images_only(tmp_path: Path) -> None:
    text = SMALL + '[[view]]\nuse = "flip"\nprobability = 1.0\n[[view]]\nuse = "pack"\n'
    recipe = read(tmp_path, text)
    real, fake = images(8, 1), images(8, 1) / 2

    for role in ("discriminator", "generator"):
        game = Game(recipe, nn.Identity(), Mean())
        batch = Batch(real, torch.zeros(8))
        ctx = half_step(game, role, 0, batch, {"images": fake}, fake, players_of(recipe, {}))  # type: ignore[arg-type]
        assert torch.equal(ctx.real, real.flip(3).reshape(4, 2, 8, 8))
        assert torch.equal(ctx.fake, fake.reshape(4, 2, 8, 8))
        assert ctx.real_labels is None
        assert ctx.real_logits.shape == (4,)
    assert seen_shape(recipe.view, ImageShape(1, 8, 8)) == ImageShape(2, 8, 8)


class Curved(nn.Module):
    """A critic whose slope depends on the image, for any number of channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(4)
        self.w = nn.Parameter(torch.randn(channels, 8, 8, generator=generator).double())

    def forward(self, seen: Tensor) -> Tensor:
        return torch.tanh((seen * self.w).sum((1, 2, 3)) / 8)


def discriminator_half(
    recipe: recipes.Recipe, critic: nn.Module, spec: RegularizerSpec, real: Tensor, fake: Tensor
) -> HalfStep:
    """Return a discriminator's half with one regularizer and the recipe's views."""
    players = players_of(recipe, {})._replace(regularizers=[Player(spec)])
    batch = Batch(real, torch.zeros(len(real)))
    made = {"images": fake}
    game = Game(recipe, nn.Identity(), critic)
    return half_step(game, "discriminator", 0, batch, made, fake, players)


def penalty_of(
    recipe: recipes.Recipe, critic: nn.Module, spec: R1 | R2, count: int
) -> tuple[Tensor, Tensor]:
    """Return the penalty in a real half-step, and its gradient at the critic's weight."""
    real, fake = images(count).double(), images(count).double().flip(0) / 2
    torch.manual_seed(5)
    ctx = discriminator_half(recipe, critic, spec, real, fake)
    (value,) = spec.discriminator_terms(ctx).values()
    (gradient,) = torch.autograd.grad(value, critic.w)  # type: ignore[arg-type]
    return value.detach(), gradient


VIEWS = {
    "diffaugment": '[[view]]\nuse = "diffaugment"\n',
    "flip": '[[view]]\nuse = "flip"\nimages = "all"\n',
    "pack": '[[view]]\nuse = "diffaugment"\n[[view]]\nuse = "pack"\n',
}


@pytest.mark.parametrize("batching", ["separate", "joint"])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("kind", [R1, R2])
def test_r1_and_r2_are_taken_at_the_plain_images_through_the_view(
    tmp_path: Path, kind: type[R1 | R2], view: str, batching: str
) -> None:
    recipe = read(tmp_path, SMALL + VIEWS[view])
    step = recipe.step.model_copy(update={"batching": batching})
    recipe = recipe.model_copy(update={"step": step})
    is_packed, count = view == "pack", 7
    critic = Curved(6 if is_packed else 3)

    found, gradient = penalty_of(recipe, critic, kind(weight=3.0), count)

    # The reference code: images ask for gradients, are augmented, scored, and differentiated.
    real = images(count).double().requires_grad_()
    fake = (images(count).double().flip(0) / 2).requires_grad_()
    torch.manual_seed(5)
    views = players_of(recipe, {}).views
    seen = apply_views(views, real, "real"), apply_views(views, fake, "fake")
    at, shown = (real, seen[0]) if kind is R1 else (fake, seen[1])
    at = shown if is_packed else at  # a pack is judged as one thing
    (slope,) = torch.autograd.grad(critic(shown).sum(), at, create_graph=True)
    expected = 3 / 2 * slope.square().sum() / (3 if is_packed else count)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-12, atol=0)
    (wanted,) = torch.autograd.grad(expected, critic.w)
    torch.testing.assert_close(gradient, wanted, rtol=1e-10, atol=1e-12)


def test_the_gradient_of_r1_through_a_view_is_what_finite_differences_say(tmp_path: Path) -> None:
    recipe = read(tmp_path, SMALL + VIEWS["diffaugment"])
    critic = Curved(3)
    _, gradient = penalty_of(recipe, critic, R1(), 4)
    direction = torch.randn(critic.w.shape, generator=torch.Generator().manual_seed(8)).double()

    sides = []
    for shift in (1e-5, -2e-5):
        with torch.no_grad():
            critic.w.add_(direction, alpha=shift)
        sides.append(penalty_of(recipe, critic, R1(), 4)[0])

    assert float((sides[0] - sides[1]) / 2e-5) == pytest.approx(
        float((gradient * direction).sum()), rel=1e-6
    )


def test_r1_at_the_view_is_the_slope_at_what_is_shown(tmp_path: Path) -> None:
    recipe = read(tmp_path, SMALL + VIEWS["diffaugment"])
    critic = Curved(3)

    at_view, _ = penalty_of(recipe, critic, R1(at="view"), 7)
    at_images, _ = penalty_of(recipe, critic, R1(), 7)

    torch.manual_seed(5)
    shown = apply_views(players_of(recipe, {}).views, images(7).double(), "real").requires_grad_()
    (slope,) = torch.autograd.grad(critic(shown).sum(), shown)
    torch.testing.assert_close(at_view, 5 * slope.square().sum() / 7, rtol=1e-12, atol=0)
    assert not torch.isclose(at_view, at_images, rtol=1e-2)


def test_a_pack_alone_has_the_same_penalty_at_its_images_and_at_itself(tmp_path: Path) -> None:
    recipe = read(tmp_path, SMALL + '[[view]]\nuse = "pack"\nsize = 3\n')
    critic = Curved(9)

    found = [penalty_of(recipe, critic, R1(at=at), 8)[0] for at in ("images", "view")]  # type: ignore[arg-type]

    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=0)


def test_without_a_view_r1_has_the_same_bits_at_images_and_at_the_view(tmp_path: Path) -> None:
    recipe, critic = read(tmp_path, SMALL), Curved(3)

    (one, first), (two, second) = (
        penalty_of(recipe, critic, R1(at=at), 7)  # type: ignore[arg-type]
        for at in ("images", "view")
    )

    assert torch.equal(one, two)
    assert torch.equal(first, second)


class Rounded(Flip):
    """A view without a slope."""

    def apply(self, images: Tensor, which: Any) -> Tensor:  # noqa: ARG002
        return images.detach().round()


def test_a_view_without_a_slope_is_told_with_the_remedy(tmp_path: Path) -> None:
    recipe = read(tmp_path, SMALL).model_copy(update={"view": [Rounded()]})
    critic = Curved(3)

    with pytest.raises(GanzooError, match="views, which are not differentiable there"):
        penalty_of(recipe, critic, R1(), 4)


@pytest.mark.parametrize("spec", [GradientPenalty(), Dragan()])
def test_the_other_penalties_look_at_and_between_what_the_view_shows(
    tmp_path: Path, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = read(tmp_path, SMALL + '[[view]]\nuse = "flip"\nprobability = 1.0\n')
    critic, real = Curved(3), images(4).double()
    ctx = discriminator_half(recipe, critic, spec, real, real)
    scored: list[Tensor] = []
    plain = ctx.critic
    monkeypatch.setattr(ctx, "uniform", lambda *shape: torch.zeros(shape).double())
    monkeypatch.setattr(ctx, "critic", lambda *a: scored.append(a[0].detach()) or plain(*a))

    spec.discriminator_terms(ctx)

    # With draws of 0 WGAN-GP looks at the fakes, which are shown as they are, DRAGAN at the reals.
    shown = real if isinstance(spec, GradientPenalty) else real.flip(3)
    torch.testing.assert_close(scored[0], shown)


def test_without_views_a_batch_is_shown_as_it_is(tmp_path: Path) -> None:
    batch = images()

    assert apply_views(players_of(read(tmp_path, SMALL), {}).views, batch, "real") is batch


def test_packs_and_labels_exclude_each_other_in_a_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = SMALL + '[[view]]\nuse = "pack"\n'
    read(tmp_path, text)
    spec = REGISTRY.find("loss", "wasserstein")
    monkeypatch.setattr(spec, "needs", frozenset({"labels"}))

    with pytest.raises(RecipeError, match=r"loss\.use: needs a label .*, but view 'pack'"):
        read(tmp_path, text)


@pytest.mark.parametrize("view", ['use = "flip"', 'use = "diffaugment"', 'use = "pack"\nsize = 4'])
def test_a_run_with_a_view_trains_and_is_resumed_bit_for_bit(tmp_path: Path, view: str) -> None:
    recipe = read(tmp_path, SMALL + f"[[view]]\n{view}\n")

    whole, first = built(recipe), built(recipe)
    for step in range(2):
        whole.step(step, whole.feed)
    first.step(0, first.feed)
    second = built(recipe)
    for role in ("generator", "discriminator"):
        state = getattr(first, role).network.state_dict()
        getattr(second, role).network.load_state_dict(state)
    torch.rand(100)
    second.step(1, second.feed)

    for role in ("generator", "discriminator"):
        wanted = getattr(whole, role).network.state_dict()
        found = getattr(second, role).network.state_dict()
        assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def built(recipe: recipes.Recipe) -> Any:
    from ganzoo.common.data_root import DataRoot
    from ganzoo.training.machine import set_up
    from ganzoo.training.parts import assemble
    from ganzoo.training.state import Silent
    from ganzoo.training.trial import try_out

    machine, _ = set_up("cpu")
    root = DataRoot(Path("/nonexistent"), download=False)
    parts = assemble(recipe, REGISTRY, root, machine, warn=print)
    try_out(parts, Silent())
    return parts
