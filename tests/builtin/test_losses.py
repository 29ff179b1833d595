"""Losses: against the papers' formulas in plain double-precision arithmetic, and by their signs."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Literal

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from ganzoo.api import GanzooError, LossSpec, Terms
from ganzoo_losses import ganzoo_losses
from ganzoo_losses.bce import Bce
from ganzoo_losses.hinge import Hinge
from ganzoo_losses.least_squares import LeastSquares
from ganzoo_losses.relativistic import Relativistic
from ganzoo_losses.wasserstein import Wasserstein

REAL = [1.5, -0.3, 0.0, 2.25, -1.75]
FAKE = [-0.5, 0.75, -2.0, 1.25, 0.1]

EVERY_LOSS: list[LossSpec] = [
    Bce(),
    Bce(halved=True, smoothing=0.1),
    Bce(generator_objective="saturating"),
    Wasserstein(),
    Hinge(),
    LeastSquares(),
    LeastSquares(fake_target=-1.0, real_target=1.0, generator_target=0.0),
    Relativistic(),
    Relativistic(pairing="average"),
]


@dataclass
class Scores:
    """The part of a context that losses see: logits, given."""

    real_logits: Tensor
    fake_logits: Tensor


def scores(
    real: list[float], fake: list[float], dtype: torch.dtype = torch.float64
) -> Any:  # a stand-in for Context
    """Return a context over given logits, leaves of the graph."""
    return Scores(
        torch.tensor(real, dtype=dtype, requires_grad=True),
        torch.tensor(fake, dtype=dtype, requires_grad=True),
    )


def values(terms: Terms) -> dict[str, float]:
    """Return the terms as numbers, sure that each is a scalar."""
    assert all(term.shape == () for term in terms.values())
    return {name: term.item() for name, term in terms.items()}


def total(loss: LossSpec, role: Literal["generator", "discriminator"], ctx: Any) -> Tensor:
    """Return what ``role`` minimises."""
    terms = getattr(loss, f"{role}_terms")(ctx)
    return torch.stack(list(terms.values())).sum()


def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x)), written as in the textbook."""
    return 1 / (1 + math.exp(-x))


def mean(numbers: list[float]) -> float:
    """Return the arithmetic mean."""
    return math.fsum(numbers) / len(numbers)


def ids(loss: LossSpec) -> str:
    """Name a loss by its name and what is not default."""
    changed = ",".join(f"{k}={v}" for k, v in loss.model_dump(exclude_defaults=True).items())
    return f"{loss.use}({changed})"


def test_bce_is_goodfellow_s_equation_1() -> None:
    terms = values(Bce().discriminator_terms(scores(REAL, FAKE)))

    assert terms == pytest.approx(
        {
            "real": -mean([math.log(sigmoid(x)) for x in REAL]),
            "fake": -mean([math.log(1 - sigmoid(x)) for x in FAKE]),
        },
        rel=1e-12,
    )


def test_bce_generators_maximise_log_d_or_minimise_log_of_one_minus_d() -> None:
    ctx = scores(REAL, FAKE)

    steady = values(Bce().generator_terms(ctx))
    fading = values(Bce(generator_objective="saturating").generator_terms(ctx))

    assert steady["adversarial"] == pytest.approx(-mean([math.log(sigmoid(x)) for x in FAKE]))
    assert fading["adversarial"] == pytest.approx(mean([math.log(1 - sigmoid(x)) for x in FAKE]))


def test_bce_that_cannot_tell_costs_log_2_a_side_and_half_of_it_when_halved() -> None:
    blind = scores([0.0] * 3, [0.0] * 3)

    summed = values(Bce().discriminator_terms(blind))
    halved = values(Bce(halved=True).discriminator_terms(blind))

    assert summed == pytest.approx({"real": math.log(2), "fake": math.log(2)})
    assert halved == pytest.approx({"real": math.log(2) / 2, "fake": math.log(2) / 2})


def test_bce_halved_is_half_the_sum_and_leaves_the_generator_alone() -> None:
    ctx = scores(REAL, FAKE)
    plain, halved = Bce(smoothing=0.2), Bce(smoothing=0.2, halved=True)

    assert total(halved, "discriminator", ctx) == total(plain, "discriminator", ctx) / 2
    assert total(halved, "generator", ctx) == total(plain, "generator", ctx)


def test_bce_smoothing_moves_the_target_of_real_images_only() -> None:
    smooth = Bce(smoothing=0.1)

    terms = values(smooth.discriminator_terms(scores(REAL, FAKE)))

    plain = values(Bce().discriminator_terms(scores(REAL, FAKE)))
    cross_entropies = [-0.9 * math.log(sigmoid(x)) - 0.1 * math.log(1 - sigmoid(x)) for x in REAL]
    assert terms["real"] == pytest.approx(mean(cross_entropies), rel=1e-12)
    assert terms["fake"] == plain["fake"]
    assert values(smooth.generator_terms(scores(REAL, FAKE))) == values(
        Bce().generator_terms(scores(REAL, FAKE))
    )


def test_bce_smoothing_is_best_at_the_logit_of_its_target() -> None:
    ctx = scores([math.log(0.9 / 0.1)], [0.0])

    Bce(smoothing=0.1).discriminator_terms(ctx)["real"].backward()  # type: ignore[no-untyped-call]

    assert ctx.real_logits.grad.item() == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("smoothing", [-0.1, 0.5, 1.0])
def test_bce_refuses_a_smoothing_that_would_turn_real_into_fake(smoothing: float) -> None:
    with pytest.raises(ValidationError, match="smoothing"):
        Bce(smoothing=smoothing)


def test_wasserstein_is_the_difference_of_mean_scores() -> None:
    ctx = scores(REAL, FAKE)

    terms = values(Wasserstein().discriminator_terms(ctx))

    assert terms == pytest.approx({"real": -mean(REAL), "fake": mean(FAKE)})
    assert values(Wasserstein().generator_terms(ctx)) == pytest.approx({"adversarial": -mean(FAKE)})


def test_hinge_is_miyato_s_equations_16_and_17() -> None:
    ctx = scores(REAL, FAKE)

    terms = values(Hinge().discriminator_terms(ctx))

    assert terms == pytest.approx(
        {
            "real": -mean([min(0, -1 + x) for x in REAL]),
            "fake": -mean([min(0, -1 - x) for x in FAKE]),
        }
    )
    assert values(Hinge().generator_terms(ctx)) == pytest.approx({"adversarial": -mean(FAKE)})


def test_least_squares_is_mao_s_equation_2_with_targets_a_b_c() -> None:
    ctx = scores(REAL, FAKE)
    a, b, c = -1.0, 1.5, 0.25
    loss = LeastSquares(fake_target=a, real_target=b, generator_target=c)

    terms = values(loss.discriminator_terms(ctx))

    assert terms == pytest.approx(
        {
            "real": mean([(x - b) ** 2 for x in REAL]) / 2,
            "fake": mean([(x - a) ** 2 for x in FAKE]) / 2,
        }
    )
    assert values(loss.generator_terms(ctx)) == pytest.approx(
        {"adversarial": mean([(x - c) ** 2 for x in FAKE]) / 2}
    )


def test_least_squares_starts_from_the_0_1_coding() -> None:
    perfect = scores([1.0, 1.0], [0.0, 0.0])

    assert total(LeastSquares(), "discriminator", perfect) == 0
    assert total(LeastSquares(), "generator", perfect) == 0.5


def test_paired_relativistic_is_r3gan_s_equation_2() -> None:
    ctx = scores(REAL, FAKE)

    of_discriminator = values(Relativistic().discriminator_terms(ctx))
    of_generator = values(Relativistic().generator_terms(ctx))

    pairs = list(zip(REAL, FAKE, strict=True))
    assert of_discriminator == pytest.approx(
        {"pairs": mean([math.log(1 + math.exp(-(real - fake))) for real, fake in pairs])}
    )
    assert of_generator == pytest.approx(
        {"adversarial": mean([math.log(1 + math.exp(-(fake - real))) for real, fake in pairs])}
    )


def test_average_relativistic_meets_the_mean_of_the_other_side() -> None:
    ctx = scores(REAL, FAKE[:3])
    loss = Relativistic(pairing="average")

    of_discriminator = values(loss.discriminator_terms(ctx))
    of_generator = values(loss.generator_terms(ctx))

    over_fake = [sigmoid(x - mean(FAKE[:3])) for x in REAL]
    over_real = [sigmoid(x - mean(REAL)) for x in FAKE[:3]]
    assert of_discriminator == pytest.approx(
        {
            "real": -mean([math.log(p) for p in over_fake]),
            "fake": -mean([math.log(1 - p) for p in over_real]),
        }
    )
    assert of_generator["adversarial"] == pytest.approx(
        -mean([math.log(p) for p in over_real]) - mean([math.log(1 - p) for p in over_fake])
    )


def test_paired_relativistic_sees_only_differences_of_scores() -> None:
    here, there = scores(REAL, FAKE), scores([x + 7 for x in REAL], [x + 7 for x in FAKE])

    for role in ("discriminator", "generator"):
        assert total(Relativistic(), role, here).item() == pytest.approx(
            total(Relativistic(), role, there).item()
        )


@pytest.mark.parametrize("num_fakes", [1, 3])
def test_paired_relativistic_refuses_sides_of_unequal_number(num_fakes: int) -> None:
    ctx = scores(REAL, FAKE[:num_fakes])

    for role in ("discriminator", "generator"):
        with pytest.raises(GanzooError, match=f"5 real and {num_fakes} fake"):
            total(Relativistic(), role, ctx)


@pytest.mark.parametrize("loss", EVERY_LOSS, ids=ids)
def test_a_better_discriminator_has_the_lower_loss(loss: LossSpec) -> None:
    worse, better = scores([-0.2, 0.3], [0.3, -0.2]), scores([0.3, 0.8], [-0.2, -0.7])

    assert total(loss, "discriminator", better) < total(loss, "discriminator", worse)


@pytest.mark.parametrize("loss", EVERY_LOSS, ids=ids)
def test_a_generator_that_fools_better_has_the_lower_loss(loss: LossSpec) -> None:
    # Scores below every generator's target: -0.4 is nearer to 0 and to 1 than -0.9.
    worse, better = scores([0.5, 0.9], [-0.9, -0.6]), scores([0.5, 0.9], [-0.4, -0.1])

    assert total(loss, "generator", better) < total(loss, "generator", worse)


@pytest.mark.parametrize("loss", EVERY_LOSS, ids=ids)
def test_the_order_of_a_batch_does_not_matter(loss: LossSpec) -> None:
    order = [3, 0, 4, 2, 1]
    shuffled = scores([REAL[i] for i in order], [FAKE[i] for i in order])

    for role in ("discriminator", "generator"):
        assert total(loss, role, shuffled).item() == pytest.approx(
            total(loss, role, scores(REAL, FAKE)).item(), rel=1e-12
        )


@pytest.mark.parametrize("loss", EVERY_LOSS, ids=ids)
def test_a_batch_repeated_costs_what_the_batch_costs(loss: LossSpec) -> None:
    for role in ("discriminator", "generator"):
        assert total(loss, role, scores(REAL * 3, FAKE * 3)).item() == pytest.approx(
            total(loss, role, scores(REAL, FAKE)).item(), rel=1e-12
        )


@pytest.mark.parametrize("loss", EVERY_LOSS, ids=ids)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_a_discriminator_that_is_wrong_beyond_doubt_still_learns(
    loss: LossSpec, dtype: torch.dtype
) -> None:
    ctx = scores([-1e4, -1e4], [1e4, 1e4], dtype)

    cost = total(loss, "discriminator", ctx)
    cost.backward()  # type: ignore[no-untyped-call]

    assert cost.isfinite()
    for logits in (ctx.real_logits, ctx.fake_logits):
        assert logits.grad.isfinite().all()
        assert (logits.grad != 0).all()
    assert (ctx.real_logits.grad < 0).all()
    assert (ctx.fake_logits.grad > 0).all()


@pytest.mark.parametrize("loss", EVERY_LOSS, ids=ids)
def test_a_generator_seen_through_beyond_doubt_learns_unless_its_loss_saturates(
    loss: LossSpec,
) -> None:
    ctx = scores([1e4, 1e4], [-1e4, -1e4], torch.float32)

    cost = total(loss, "generator", ctx)
    cost.backward()  # type: ignore[no-untyped-call]

    assert cost.isfinite()
    fades = isinstance(loss, Bce) and loss.generator_objective == "saturating"
    assert (ctx.fake_logits.grad == 0).all() if fades else (ctx.fake_logits.grad < 0).all()


@pytest.mark.parametrize("loss", EVERY_LOSS, ids=ids)
def test_a_discriminator_that_is_right_beyond_doubt_has_a_finite_loss(loss: LossSpec) -> None:
    ctx = scores([1e4, 1e4], [-1e4, -1e4], torch.float32)

    cost = total(loss, "discriminator", ctx)
    cost.backward()  # type: ignore[no-untyped-call]

    assert cost.isfinite()
    assert ctx.real_logits.grad.isfinite().all()
    assert ctx.fake_logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", EVERY_LOSS, ids=ids)
def test_gradients_are_those_of_finite_differences(loss: LossSpec) -> None:
    for role in ("discriminator", "generator"):
        ctx = scores(REAL, FAKE)

        def cost(real: Tensor, fake: Tensor, role: str = role) -> Tensor:
            return total(loss, role, Scores(real, fake))  # type: ignore[arg-type]

        assert torch.autograd.gradcheck(cost, (ctx.real_logits, ctx.fake_logits))


def test_the_plugin_supplies_its_losses_without_importing_torch() -> None:
    code = "import ganzoo_losses, sys; ganzoo_losses.ganzoo_losses(); print('torch' in sys.modules)"

    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert seen.stdout.strip() == "False"
    assert {spec.use for spec in ganzoo_losses()} == {
        "bce",
        "wasserstein",
        "hinge",
        "least_squares",
        "relativistic",
    }
