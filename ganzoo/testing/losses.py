"""What a loss promises: tried on logits that are known, by a critic that hands them through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.plugin.specs import LossSpec
from ganzoo.plugin.types import Role
from ganzoo.testing.claims import Claim, cases_of, same, show
from ganzoo.testing.findings import Case, Note, Report
from ganzoo.testing.stage import stage
from ganzoo.testing.variants import variants
from ganzoo.training.feed import Batch
from ganzoo.training.half_step import HalfStep, total

COUNT = 8
CLASSES = 3
EXTREME = 1e4
PENALTIES_APART = 1e-9


class Through(nn.Module):
    """A critic whose logit is the image's one pixel, times a weight of 1."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the pixels of ``[N, 1, 1, 1]`` as ``[N]``."""
        return self.gain * images.flatten()


class Half(HalfStep):
    """One half of a step in which real and fake logits are given."""

    def __init__(self, role: Role, real: Tensor, fake: Tensor, labels: Tensor | None) -> None:
        self.gain = nn.Parameter(torch.ones((), dtype=torch.float64))
        made = self.gain * fake.view(-1, 1, 1, 1)
        critic = Through().requires_grad_(role == "discriminator")
        shown = made if role == "generator" else made.detach()
        batch = Batch(real.view(-1, 1, 1, 1), labels)
        game = stage(nn.Identity(), critic)
        super().__init__(game, role, 0, batch, {"images": shown}, torch.zeros(len(real), 2))
        self.trained = critic.gain if role == "discriminator" else self.gain
        """The one parameter that the half trains."""
        self.other = self.gain if role == "discriminator" else critic.gain


class Trial:
    """A loss, and what it says to given logits."""

    def __init__(self, spec: LossSpec) -> None:
        self.spec = spec
        self.labels = torch.arange(COUNT) % CLASSES if "labels" in spec.needs else None
        generator = torch.Generator().manual_seed(5)
        self.spread = 0.1 * torch.randn(2, COUNT, generator=generator, dtype=torch.float64)

    def half(self, role: Role, real: Any, fake: Any) -> Half:
        """Return the half of a step in which logits are ``real`` and ``fake``."""
        full = torch.zeros(COUNT, dtype=torch.float64)
        labels = None if self.labels is None else self.labels[: len(full + real)]
        return Half(role, full + real, full + fake, labels)

    def terms(self, half: Half) -> Mapping[str, Tensor]:
        """Return the terms of a half."""
        found: Mapping[str, Tensor] = getattr(self.spec, f"{half.role}_terms")(half)
        return found

    def value(self, role: Role, real: Any, fake: Any) -> float:
        """Return what a side minimises."""
        return float(total(self.terms(self.half(role, real, fake))).detach())


def check(spec: LossSpec) -> Report:
    """Try all that a loss promises, with every choice its keys offer."""
    return Report.of(cases(spec))


def cases(spec: LossSpec) -> list[Case]:
    """Return the checks one by one."""
    trials = [(what, Trial(one)) for what, one in variants(spec)]
    return cases_of(spec, [_everywhere(claim) for claim in CLAIMS], lambda: trials)


def _everywhere(claim: Claim[Trial]) -> Claim[list[tuple[str, Trial]]]:
    def run(trials: list[tuple[str, Trial]]) -> Iterator[str]:
        for what, trial in trials:
            for text in claim(trial):
                yield type(text)(f"{text}{what}")

    run.__name__ = claim.__name__
    return run


ROLES: tuple[Role, ...] = ("discriminator", "generator")


def returns_named_scalars_for_both_sides(trial: Trial) -> Iterator[str]:
    for role in ROLES:
        terms = trial.terms(trial.half(role, *trial.spread))
        if not isinstance(terms, Mapping) or not terms:
            yield f"{role}_terms() returned {terms!r:.60}, not a mapping with at least one term"
            continue
        for name, value in terms.items():
            if not isinstance(value, Tensor) or value.ndim:
                found = show(value.shape) if isinstance(value, Tensor) else type(value).__name__
                yield f"the {role}'s term '{name}' is {found}, not a scalar: take the mean"


def a_better_discriminator_lowers_its_loss(trial: Trial) -> Iterator[str]:
    real, fake = trial.spread
    values = [trial.value("discriminator", real + s, fake - s) for s in (-0.5, 0.0, 0.5)]
    if not values[0] > values[1] > values[2]:
        yield (
            "real logits 1 below, equal to and 1 above those of fakes cost the discriminator "
            f"{', '.join(f'{value:.4g}' for value in values)}: {_course(values)}"
        )


def a_better_fooled_discriminator_lowers_the_generators_loss(trial: Trial) -> Iterator[str]:
    real, fake = trial.spread
    values = [trial.value("generator", real + 1, fake + s) for s in (-2.0, -1.5, -1.0)]
    if not values[0] > values[1] > values[2]:
        yield (
            "fake logits of -2, -1.5 and -1 cost the generator "
            f"{', '.join(f'{value:.4g}' for value in values)}: {_course(values)}"
        )


def _course(values: list[float]) -> str:
    if values[0] < values[1] < values[2]:
        return "the sign is wrong"
    if max(values) - min(values) < PENALTIES_APART:
        return "it has no sign: it does not tell better from worse"
    return "it must fall from each to the next; it has no clear sign"


def order_of_the_batch_does_not_matter(trial: Trial) -> Iterator[str]:
    real, fake = 10 * trial.spread
    order = torch.randperm(COUNT)
    plain = Trial(trial.spec)
    for role in ROLES:
        before = plain.value(role, real, fake)
        if plain.labels is not None:
            plain.labels = plain.labels[order]
        after = plain.value(role, real[order], fake[order])
        if abs(before - after) > 1e-9 * max(1, abs(before)):
            yield (
                f"the {role}'s loss is {before:.6g}, and {after:.6g} for the same batch in "
                "another order"
            )
        plain.labels = trial.labels


def a_batch_twice_as_large_costs_the_same(trial: Trial) -> Iterator[str]:
    real, fake = 10 * trial.spread[:, : COUNT // 2]
    for role in ROLES:
        values = []
        for times in (1, 2):
            half = Half(role, real.repeat(times), fake.repeat(times), _repeated(trial, times))
            values.append(float(total(trial.terms(half)).detach()))
        if abs(values[0] - values[1]) > 1e-6 * max(1, abs(values[0])):
            yield Note(
                f"the {role}'s loss is {values[0]:.4g} for a batch and {values[1]:.4g} for the "
                "same images twice: a sum in place of a mean?"
            )


def _repeated(trial: Trial, times: int) -> Tensor | None:
    return None if trial.labels is None else trial.labels[: COUNT // 2].repeat(times)


def stays_finite_at_extreme_logits(trial: Trial) -> Iterator[str]:
    for role in ROLES:
        for real in (-EXTREME, EXTREME):
            for fake in (-EXTREME, EXTREME):
                half = trial.half(role, real, fake)
                loss = total(trial.terms(half))
                (slope,) = torch.autograd.grad(loss, [half.trained], allow_unused=True)
                at = f"at real logits of {real:g} and fake ones of {fake:g}"
                if not bool(torch.isfinite(loss)):
                    found = float(loss.detach())
                    yield f"the {role}'s loss is {found} {at}; compute it from logits"
                elif slope is not None and not bool(torch.isfinite(slope)):
                    yield f"the {role}'s gradient is {float(slope)} {at}"


def who_is_wrong_by_much_still_learns(trial: Trial) -> Iterator[str]:
    full = torch.zeros(COUNT, dtype=torch.float64)
    real, fake = (full - EXTREME).requires_grad_(), (full + EXTREME).requires_grad_()
    half = trial.half("discriminator", 0, 0)
    vars(half).update(real_out={"logits": real}, fake_out={"logits": fake})
    slopes = torch.autograd.grad(total(trial.terms(half)), [real, fake], allow_unused=True)
    for which, slope in zip(("real", "fake"), slopes, strict=True):
        if slope is None or not bool(slope.any()):
            yield (
                f"a discriminator that is wrong by {EXTREME:g} gets no gradient at {which} images: "
                "compute the loss from logits (logsigmoid), not from probabilities"
            )
    half = trial.half("generator", EXTREME, -EXTREME)
    (slope,) = torch.autograd.grad(total(trial.terms(half)), [half.gain], allow_unused=True)
    if slope is None or not bool(slope):
        yield Note(
            "the generator learns nothing where the discriminator is sure (fakes at "
            f"-{EXTREME:g}): a saturating game"
        )


def every_term_reaches_its_own_side(trial: Trial) -> Iterator[str]:
    for role in ROLES:
        half = trial.half(role, *(10 * trial.spread))
        before = [half.trained.detach().clone(), half.other.detach().clone()]
        for name, value in trial.terms(half).items():
            slope = None
            if value.requires_grad:
                (slope,) = torch.autograd.grad(
                    value, [half.trained], retain_graph=True, allow_unused=True
                )
            if slope is None:
                yield f"the {role}'s term '{name}' reaches no parameter of the {role}"
        if half.trained.grad is not None or half.other.grad is not None:
            yield f"{role}_terms() takes gradients itself; only the step may call backward()"
        if not (torch.equal(half.trained, before[0]) and torch.equal(half.other, before[1])):
            yield f"{role}_terms() changes weights"


def never_moves_the_other_side(trial: Trial) -> Iterator[str]:
    for role in ROLES:
        half = trial.half(role, *(10 * trial.spread))
        trial.terms(half)
        if half.other.requires_grad != (role == "discriminator"):
            yield f"{role}_terms() switches gradients of the other side on or off"


def same_logits_same_loss(trial: Trial) -> Iterator[str]:
    for role in ROLES:
        values = {trial.value(role, *trial.spread) for _ in range(2)}
        if not same(torch.tensor(max(values)), torch.tensor(min(values)), 0):
            yield Note(f"the {role}'s loss is random: {min(values):.6g}, then {max(values):.6g}")


CLAIMS: tuple[Claim[Trial], ...] = (
    returns_named_scalars_for_both_sides,
    a_better_discriminator_lowers_its_loss,
    a_better_fooled_discriminator_lowers_the_generators_loss,
    order_of_the_batch_does_not_matter,
    a_batch_twice_as_large_costs_the_same,
    stays_finite_at_extreme_logits,
    who_is_wrong_by_much_still_learns,
    every_term_reaches_its_own_side,
    never_moves_the_other_side,
    same_logits_same_loss,
)
