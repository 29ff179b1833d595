"""Regularizers: against closed forms on linear and quadratic critics."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from ganzoo.api import GanzooError, RegularizerSpec
from ganzoo_regularizers import ganzoo_regularizers
from ganzoo_regularizers.dragan import Dragan
from ganzoo_regularizers.gradient_penalty import GradientPenalty
from ganzoo_regularizers.weight_clip import WeightClip
from ganzoo_regularizers.zero_centered import R1, R2

SHAPE = (3, 4, 5)


class Toy:
    """A context with a given critic, as small as the protocol allows."""

    def __init__(
        self,
        critic: Callable[[Tensor], Tensor],
        real: Tensor,
        fake: Tensor,
        real_labels: Tensor | None = None,
    ) -> None:
        self.real = real.detach().requires_grad_()
        self.fake = fake.detach().requires_grad_()
        self.real_labels = real_labels
        self.scored: list[Tensor] = []
        self.labels: list[Tensor | None] = []
        self.drawn: list[Tensor] = []
        self._critic = critic
        self._random = torch.Generator().manual_seed(5)

    def critic(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Score images, and remember them."""
        self.scored.append(images)
        self.labels.append(labels)
        return self._critic(images)

    def image_gradient(self, which: Literal["real", "fake"], at: str = "images") -> Tensor:  # noqa: ARG002
        """Return the gradient of the summed logits."""
        images = self.real if which == "real" else self.fake
        logits = self._critic(images)
        return torch.autograd.grad(logits.sum(), images, create_graph=True)[0]

    def uniform(self, *shape: int) -> Tensor:
        """Draw from the context's own generator, and remember it."""
        drawn = torch.rand(shape, generator=self._random, dtype=self.real.dtype)
        self.drawn.append(drawn)
        return drawn


def images(count: int = 7, seed: int = 0) -> Tensor:
    """Return ``[count, 3, 4, 5]`` in [-1, 1), in double precision."""
    random = torch.Generator().manual_seed(seed)
    return torch.rand(count, *SHAPE, generator=random, dtype=torch.float64) * 2 - 1


def weights(seed: int = 9) -> Tensor:
    """Return the weight of a critic, ``[3, 4, 5]``, as a leaf."""
    random = torch.Generator().manual_seed(seed)
    return torch.randn(*SHAPE, generator=random, dtype=torch.float64).requires_grad_()


def linear(w: Tensor) -> Callable[[Tensor], Tensor]:
    """Return D(x) = <w, x> + 1, whose slope is ‖w‖ everywhere."""
    return lambda x: (x * w).sum(dim=(1, 2, 3)) + 1


def quadratic(w: Tensor) -> Callable[[Tensor], Tensor]:
    """Return D(x) = ½ Σ w x², whose gradient is w x."""
    return lambda x: (w * x.square()).sum(dim=(1, 2, 3)) / 2


def term(spec: RegularizerSpec, ctx: Any) -> Tensor:
    """Return the only term of ``spec``, named as the spec is."""
    ((name, value),) = spec.discriminator_terms(ctx).items()
    assert name == spec.use
    assert value.shape == ()
    return value


def gradient_of(value: Tensor, w: Tensor) -> Tensor:
    """Return the gradient of ``value`` at ``w``."""
    return torch.autograd.grad(value, w)[0]


@pytest.mark.parametrize("count", [1, 2, 64])
def test_gradient_penalty_of_a_linear_critic_is_its_closed_form_for_any_batch(count: int) -> None:
    w = weights()
    ctx = Toy(linear(w), images(count, 1), images(count, 2))

    penalty = term(GradientPenalty(weight=1.0), ctx)

    norm = w.detach().square().sum().sqrt()
    torch.testing.assert_close(penalty.detach(), (norm - 1) ** 2)
    torch.testing.assert_close(gradient_of(penalty, w), 2 * (norm - 1) * w.detach() / norm)


def test_gradient_penalty_weighs_ten_and_holds_the_slope_at_one() -> None:
    w = weights()
    ctx = Toy(linear(w), images(), images(seed=1))

    assert term(GradientPenalty(), ctx).item() == pytest.approx(
        10 * (w.detach().norm().item() - 1) ** 2
    )


def test_gradient_penalty_of_a_quadratic_critic_is_the_mean_over_points_between_the_pairs() -> None:
    w = weights()
    ctx = Toy(quadratic(w), images(seed=1), images(seed=2))

    penalty = term(GradientPenalty(weight=3.0, target=0.5), ctx)

    (epsilon,) = ctx.drawn
    by_hand = 0.0
    for i in range(7):
        point = epsilon[i].item() * ctx.real[i] + (1 - epsilon[i].item()) * ctx.fake[i]
        by_hand += ((w * point).square().sum().item() ** 0.5 - 0.5) ** 2 / 7
    assert epsilon.shape == (7, 1, 1, 1)
    assert penalty.item() == pytest.approx(3 * by_hand, rel=1e-12)


def test_gradient_penalty_reaches_every_weight_of_a_network_as_finite_differences_say() -> None:
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 1)).double()
    names = [name for name, _ in critic.named_parameters()]

    def penalty(*values: Tensor) -> Tensor:
        named = dict(zip(names, values, strict=True))
        scored = lambda x: torch.func.functional_call(critic, named, (x,)).squeeze(1)  # noqa: E731
        return term(GradientPenalty(), Toy(scored, images(2, 1), images(2, 2)))

    parameters = tuple(p.detach().requires_grad_() for p in critic.parameters())
    assert torch.autograd.gradcheck(penalty, parameters)
    # The last bias moves no slope.
    reached = torch.autograd.grad(penalty(*parameters), parameters[:-1])
    assert all((gradient != 0).any() for gradient in reached)


def test_a_one_sided_gradient_penalty_lets_gentle_slopes_be() -> None:
    spec = GradientPenalty(weight=1.0, one_sided=True)
    steep = torch.full(SHAPE, 1.0, dtype=torch.float64)  # ‖w‖ = √60
    gentle = steep / 60

    assert term(spec, Toy(linear(gentle.requires_grad_()), images(), images())).item() == 0
    assert term(spec, Toy(linear(steep.requires_grad_()), images(), images())).item() == (
        pytest.approx((60**0.5 - 1) ** 2)
    )


@pytest.mark.parametrize("spec", [GradientPenalty(), Dragan()])
def test_the_penalty_of_a_flat_critic_has_a_finite_gradient(spec: RegularizerSpec) -> None:
    flat = torch.zeros(SHAPE, dtype=torch.float64, requires_grad=True)

    penalty = term(spec, Toy(linear(flat), images(), images(seed=1)))

    assert penalty.item() == pytest.approx(10)
    assert gradient_of(penalty, flat).isfinite().all()


def test_gradient_penalty_flows_into_no_image() -> None:
    w = weights()
    ctx = Toy(quadratic(w), images(), images(seed=1))

    term(GradientPenalty(), ctx).backward()  # type: ignore[no-untyped-call]

    assert w.grad is not None
    assert ctx.real.grad is None
    assert ctx.fake.grad is None


def test_gradient_penalty_asks_a_conditional_critic_with_the_real_labels() -> None:
    labels = torch.arange(7)
    ctx = Toy(linear(weights()), images(), images(seed=1), real_labels=labels)

    term(GradientPenalty(), ctx)

    assert ctx.labels == [labels]


@pytest.mark.parametrize("num_fakes", [1, 3])
def test_gradient_penalty_refuses_sides_of_unequal_number(num_fakes: int) -> None:
    ctx = Toy(linear(weights()), images(), images(num_fakes, 1))

    with pytest.raises(GanzooError, match=rf"\[7, 3, 4, 5\].*\[{num_fakes}, 3, 4, 5\]"):
        term(GradientPenalty(), ctx)


def test_dragan_of_a_linear_critic_is_its_closed_form() -> None:
    w = weights()

    penalty = term(Dragan(weight=2.0, target=3.0), Toy(linear(w), images(), images(seed=1)))

    norm = w.detach().norm()
    torch.testing.assert_close(penalty.detach(), 2 * (norm - 3) ** 2)
    torch.testing.assert_close(gradient_of(penalty, w), 4 * (norm - 3) * w.detach() / norm)


def test_dragan_looks_around_real_images_within_its_spread() -> None:
    ctx = Toy(linear(weights()), images(), images(seed=1))

    term(Dragan(spread=0.25), ctx)

    (near,) = ctx.scored
    away = near - ctx.real
    assert (away >= 0).all()
    assert (away < 0.25 * ctx.real.std()).all()
    reach = away.detach() / ctx.drawn[1]
    torch.testing.assert_close(reach, reach[:, :1, :1, :1].expand_as(reach))
    assert reach[:, 0, 0, 0].unique().numel() == 7


@pytest.mark.parametrize(("spec", "side"), [(R1(weight=6.0), "real"), (R2(weight=6.0), "fake")])
def test_r1_and_r2_of_a_linear_critic_are_half_the_weight_times_the_squared_slope(
    spec: RegularizerSpec, side: str
) -> None:
    w = weights()

    penalty = term(spec, Toy(linear(w), images(), images(seed=1)))

    assert spec.needs == {f"{side}_gradient"}
    torch.testing.assert_close(penalty.detach(), 3 * w.detach().square().sum())
    torch.testing.assert_close(gradient_of(penalty, w), 6 * w.detach())


@pytest.mark.parametrize(("spec", "seed"), [(R1(), 1), (R2(), 2)])
def test_r1_looks_at_real_and_r2_at_fake_images(spec: RegularizerSpec, seed: int) -> None:
    w = weights()
    ctx = Toy(quadratic(w), images(4, 1), images(9, 2))

    penalty = term(spec, ctx)

    x = images(4 if seed == 1 else 9, seed)
    squares = [(w * one).square().sum().item() for one in x]
    by_hand = 10 / 2 * sum(squares) / len(squares)
    assert penalty.item() == pytest.approx(by_hand, rel=1e-12)
    expected = 10 * w.detach() * x.square().mean(dim=0)
    torch.testing.assert_close(gradient_of(penalty, w), expected)


@pytest.mark.parametrize("spec", [R1(), R2(), GradientPenalty(), Dragan()], ids=lambda s: s.use)
def test_a_penalty_scales_with_its_weight_and_stays_out_of_the_generator_s_half(
    spec: RegularizerSpec,
) -> None:
    w = weights()
    double = type(spec)(weight=20.0)

    once = term(spec, Toy(quadratic(w), images(), images(seed=1)))
    twice = term(double, Toy(quadratic(w), images(), images(seed=1)))

    assert spec.second_order
    assert twice.item() == pytest.approx(2 * once.item())
    assert spec.generator_terms(Toy(quadratic(w), images(), images())) == {}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "spec", [R1(every=4), R2(every=4), GradientPenalty(every=4), Dragan(every=4)]
)
def test_a_lazy_term_leaves_its_multiplication_to_the_step(spec: RegularizerSpec) -> None:
    w = weights()

    lazy = term(spec, Toy(quadratic(w), images(), images(seed=1)))
    eager = term(type(spec)(), Toy(quadratic(w), images(), images(seed=1)))

    assert lazy.item() == eager.item()


def test_weight_clip_keeps_weights_within_the_limit_and_statistics_as_they_are() -> None:
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 1))
    critic(torch.randn(8, 1, 4, 4) + 3)
    before = {name: value.clone() for name, value in critic.state_dict().items()}

    WeightClip(limit=0.05).constrain(critic)

    parameters = dict(critic.named_parameters())
    for name, value in critic.state_dict().items():
        expected = before[name].clamp(-0.05, 0.05) if name in parameters else before[name]
        assert torch.equal(value, expected), name
    assert before["1.running_mean"].abs().max() > 0.05
    assert all(p.requires_grad and p.is_leaf and p.grad is None for p in parameters.values())


def test_weight_clip_passes_over_what_is_frozen_and_clips_the_rest() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[0].requires_grad_(False)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.5)

    WeightClip(limit=0.1).constrain(network)

    assert float(network[0].weight.detach().min()) == 0.5
    assert float(network[1].weight.detach().max()) == pytest.approx(0.1)


def test_dragan_reaches_half_a_standard_deviation_unless_told() -> None:
    assert (Dragan().spread, Dragan().target, Dragan().weight) == (0.5, 1.0, 10.0)


def test_weight_clip_has_the_papers_limit_and_no_term() -> None:
    ctx: Any = Toy(linear(weights()), images(), images())

    assert WeightClip().limit == 0.01
    assert WeightClip().discriminator_terms(ctx) == {}
    with pytest.raises(ValidationError, match="leave 'weight' out"):
        WeightClip(weight=2.0)
    assert WeightClip(weight=1.0) == WeightClip()
    with pytest.raises(ValidationError, match="limit"):
        WeightClip(limit=0.0)


def test_the_plugin_supplies_its_regularizers_without_importing_torch() -> None:
    code = (
        "import ganzoo_regularizers as r, sys; r.ganzoo_regularizers(); "
        "print('torch' in sys.modules)"
    )

    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert seen.stdout.strip() == "False"
    assert {spec.use for spec in ganzoo_regularizers()} == {
        "gradient_penalty",
        "weight_clip",
        "r1",
        "r2",
        "dragan",
    }
