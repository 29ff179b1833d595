"""Views of 'ganzoo_classic': what is shown, how often, and its derivatives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from ganzoo.api import GanzooError, ImageShape
from ganzoo_classic.moves import flipped_and_shifted
from ganzoo_classic.views.ada import Ada
from ganzoo_classic.views.apa import Apa
from ganzoo_classic.views.instance_noise import InstanceNoise
from ganzoo_classic.views.pipe import _hue, _Places, augmented

IMAGE = ImageShape(1, 4, 4)
PARTS = {
    "blit": {"blit": True, "geometry": False, "colour": False},
    "geometry": {"blit": False, "geometry": True, "colour": False},
    "colour": {"blit": False, "geometry": False, "colour": True},
}


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    """Compute in float64, seeded."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def seen(*signs: float) -> Any:
    """Return a context with real logits."""
    return SimpleNamespace(real_logits=torch.tensor(signs))


# ADA


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 4, 6), (2, 1, 1)])
def test_with_probability_0_nothing_changes(part: str, shape: tuple[int, ...]) -> None:
    images = torch.randn(5, *shape)

    torch.testing.assert_close(augmented(images, torch.tensor(0.0), **PARTS[part]), images)


@pytest.mark.parametrize("part", PARTS)
def test_with_probability_1_images_change_each_in_its_own_way(part: str) -> None:
    images = torch.randn(1, 3, 6, 6).repeat(16, 1, 1, 1)

    found = augmented(images, torch.tensor(1.0), **PARTS[part])

    assert sum(not torch.allclose(row, images[0]) for row in found) > 12
    assert len({tuple(row.flatten().tolist()) for row in found}) > 8


def test_about_a_share_p_is_changed() -> None:
    images = torch.randn(1, 1, 4, 4).repeat(4000, 1, 1, 1)

    found = augmented(images, torch.tensor(0.3), **PARTS["geometry"])

    same = float((found == images).all(dim=(1, 2, 3)).double().mean())
    # Scale, stretch, shift with p each, and two turns that together are as likely as one.
    assert same == pytest.approx(0.7**4, abs=0.03)


def test_blitting_only_moves_numbers() -> None:
    images = torch.arange(36.0).view(1, 1, 6, 6).repeat(64, 1, 1, 1)

    found = augmented(images, torch.tensor(1.0), **PARTS["blit"])

    assert set(found.flatten().tolist()) <= set(range(36))


@pytest.mark.parametrize("part", PARTS)
def test_first_and_second_derivatives_are_right(part: str) -> None:
    images = torch.randn(2, 3, 3, 3, requires_grad=True)

    def seeded(given: Tensor) -> Tensor:
        torch.manual_seed(11)
        return augmented(given, torch.tensor(0.9), **PARTS[part])

    assert torch.autograd.gradcheck(seeded, images)
    # The discriminator's part of R1: a curved function of what is seen.
    assert torch.autograd.gradgradcheck(lambda given: seeded(given).tanh(), images)


def test_places_turn_and_shift_by_bilinear_weights() -> None:
    images = torch.randn(1, 1, 5, 5)
    quarter = _Places(images)
    turn = quarter.identity()
    turn[:, 0, 0] = turn[:, 1, 1] = 0
    turn[:, 0, 1], turn[:, 1, 0] = 1.0, -1.0
    quarter.change(turn)
    half = _Places(images)
    shift = half.identity()
    shift[:, 0, 2] = 0.25
    half.change(shift)

    turned, shifted = quarter.sampled(images), half.sampled(images)

    torch.testing.assert_close(turned, images.rot90(-1, (2, 3)))
    wanted = 0.75 * images[..., :-1] + 0.25 * images[..., 1:]
    torch.testing.assert_close(shifted[..., :-1], wanted)


def test_hues_turn_around_grey_and_keep_lengths() -> None:
    turns = _hue(torch.eye(4).repeat(8, 1, 1))[:, :3, :3]

    torch.testing.assert_close(turns @ turns.mT, torch.eye(3).expand(8, 3, 3))
    torch.testing.assert_close(turns @ torch.ones(3), torch.ones(8, 3))
    torch.testing.assert_close(torch.linalg.det(turns), torch.ones(8))


def test_p_moves_by_its_images_towards_where_signs_are_the_target() -> None:
    view = Ada(target=0.6, images=100.0, interval=2)
    own: Any = view.module(8, IMAGE)

    def observe(*signs: float) -> float:
        ctx = seen(*signs)
        ctx.own = own
        view.observe(ctx)
        return float(own.p)

    assert observe(1, 1, 1, 1) == 0  # not yet due
    assert observe(2, 3, 1, 5) == pytest.approx(8 / 100)
    observe(1, 1, 1, 1)
    assert observe(1, 1, 1, -1) == pytest.approx(16 / 100)  # r = 0.75
    observe(1, 1, -1, -1)
    assert observe(1, 1, 1, 1) == pytest.approx(8 / 100)  # r = 0.5
    for _ in range(4):
        observe(-1, -1, -1, -1)
    assert float(own.p) == 0  # not below


def test_what_ada_shows_depends_on_its_p() -> None:
    view = Ada()
    own: Any = view.module(8, IMAGE)
    images = torch.randn(4, 1, 4, 4)

    torch.testing.assert_close(view.apply(images, "real", own), images)
    own.p.fill_(1.0)
    assert not torch.allclose(view.apply(images, "real", own), images)


def test_colours_around_another_middle_are_refused() -> None:
    with pytest.raises(GanzooError, match=r"from 0 to 1; set dataset\.value_range = 'symmetric'"):
        Ada().shape(ImageShape(1, 4, 4, low=0.0, high=1.0))
    assert Ada(colour=False).shape(ImageShape(1, 4, 4, low=0.0)).low == 0.0


# APA


def test_fakes_of_before_are_shown_as_real_with_probability_p() -> None:
    view = Apa(kept=3)
    own: Any = view.module(8, IMAGE)
    own.p.fill_(1.0)
    real = torch.zeros(64, 1, 4, 4)

    torch.testing.assert_close(view.apply(real, "real", own), real)  # no fakes yet
    fakes = torch.stack([torch.full((1, 4, 4), float(k)) for k in (1, 2)]).requires_grad_()
    assert view.apply(fakes, "fake", own) is fakes
    shown = view.apply(real, "real", own)

    assert set(shown.flatten().tolist()) == {1.0, 2.0}
    assert not shown.requires_grad
    own.p.fill_(0.25)
    many = view.apply(torch.zeros(4000, 1, 4, 4), "real", own)
    assert float((many[:, 0, 0, 0] > 0).double().mean()) == pytest.approx(0.25, abs=0.03)


def test_the_newest_fakes_are_kept() -> None:
    view = Apa(kept=3)
    own: Any = view.module(8, IMAGE)
    for k in range(1, 5):
        view.apply(torch.full((1, 1, 4, 4), float(k)), "fake", own)

    assert own.fakes[:, 0, 0, 0].tolist() == [4.0, 3.0, 2.0]
    view.apply(torch.full((9, 1, 4, 4), 7.0), "fake", own)
    assert set(own.fakes.flatten().tolist()) == {7.0}
    with pytest.raises(GanzooError, match="no other view may change their shape"):
        view.apply(torch.zeros(2, 2, 4, 4), "fake", own)


# Noise and moves


def test_instance_noise_has_its_spread_and_a_ramp_may_end_it() -> None:
    images = torch.randn(50, 1, 20, 20)

    noise = InstanceNoise(std=0.3).apply(images, "real") - images

    assert float(noise.std()) == pytest.approx(0.3, abs=0.005)
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert torch.equal(InstanceNoise(std=0.0).apply(images, "fake"), images)


def test_flips_and_shifts_are_whole_and_mirrored() -> None:
    images = torch.arange(64.0).view(1, 1, 8, 8).repeat(200, 1, 1, 1)

    found = flipped_and_shifted(images)

    inner = found[:, 0, 1:-1, 1:-1]
    assert set(found.flatten().tolist()) <= set(range(64))
    across = inner[:, :, 1:] - inner[:, :, :-1]
    assert set(across.flatten().tolist()) == {1.0, -1.0}  # plain or flipped, never torn
    assert len({tuple(row.flatten().tolist()) for row in found}) == 2 * 9
    assert math.isclose(float((across[:, 0, 0] > 0).double().mean()), 0.5, abs_tol=0.12)
