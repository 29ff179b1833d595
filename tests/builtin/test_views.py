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
from ganzoo.plugin.types import ImageShape
from ganzoo.recipe import model as recipes
from ganzoo.recipe.check import load as load_recipe
from ganzoo.recipe.problems import RecipeError
from ganzoo.training.feed import Batch
from ganzoo.training.guards import players_of
from ganzoo.training.half_step import Game, apply_views, half_step, seen_shape
from ganzoo_views import DiffAugment, Flip, Pack
from ganzoo_views.augmentations import color, cutout, translation

REGISTRY = registry.load(block={"*"})
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

    with pytest.raises(RecipeError, match=r"loss\.use: needs a label .*, and view 'pack'"):
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
    from ganzoo.training.guards import try_out
    from ganzoo.training.machine import prepare
    from ganzoo.training.parts import assemble
    from ganzoo.training.state import Silent

    machine, _ = prepare("cpu")
    root = DataRoot(Path("/nonexistent"), download=False)
    parts = assemble(recipe, REGISTRY, root, machine, warn=print)
    try_out(parts, Silent())
    return parts
