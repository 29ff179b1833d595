"""What a loss promises: tried on logits that are known, by a critic that hands them through."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.plugin.specs import LossSpec
from ganzoo.plugin.types import Role
from ganzoo.testing import played
from ganzoo.testing.claims import Claim, cases_of, same, show, untried
from ganzoo.testing.claims import images as images_of
from ganzoo.testing.examples import UntriedError
from ganzoo.testing.findings import Case, Note, Report
from ganzoo.testing.scene import (
    COUNT,
    LATENT,
    ROLES,
    Beside,
    PlainDiscriminator,
    Scene,
    Setting,
    labels_of,
    move_state,
    setting_for,
)
from ganzoo.testing.stage import stage
from ganzoo.testing.variants import variants
from ganzoo.training.feed import Batch
from ganzoo.training.half_step import HalfStep, total
from ganzoo.training.precision import named

EXTREME = 1e4
PENALTIES_APART = 1e-9


class Known(nn.Module):
    """A critic whose logit is the first pixel of an image, times a weight of 1.

    What else a loss asks a discriminator for, a network that gives it says of the other pixels.
    """

    def __init__(self, other: nn.Module | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones((), dtype=dtype))
        self.other = other

    def forward(self, images: Tensor, *labels: Tensor) -> Tensor | dict[str, Tensor]:
        """Return ``[N]`` for ``[N, C, H, W]``, or a mapping with it."""
        logits = self.gain * images.flatten(1)[:, 0]
        if self.other is None:
            return logits
        rest = images.flatten(1)
        rest = torch.cat([torch.zeros_like(rest[:, :1]), rest[:, 1:]], 1).view_as(images)
        return {**named(self.other(rest, *labels), "logits"), "logits": logits}


class Half(HalfStep):
    """One half of a step in which real and fake logits are given."""

    def __init__(self, trial: Trial, role: Role, real: Tensor, fake: Tensor, order: Tensor) -> None:
        setting, scene = trial.setting, trial.scene
        self.gain = nn.Parameter(torch.ones((), dtype=trial.dtype))
        is_plain = isinstance(setting.discriminator, PlainDiscriminator)
        critic = Known(None if is_plain else scene.networks["discriminator"], trial.dtype)
        critic.requires_grad_(role == "discriminator")
        game = stage(
            scene.networks["generator"], critic, (setting.generator, setting.discriminator)
        )
        labels = labels_of(setting.shape, COUNT)[order] if setting.has_labels else None
        drawn = torch.randn(COUNT, LATENT, generator=torch.Generator().manual_seed(6))
        latent = setting.generator.latents(drawn.to(trial.dtype)[order])
        images = [
            _with_first(images_of(setting.shape, COUNT, seed).to(trial.dtype)[order], logits)
            for seed, logits in ((1, real), (2, fake))
        ]
        made = dict(game.make(latent, labels))
        made["images"] = self.gain * images[1]
        if role == "discriminator":
            made = {name: value.detach() for name, value in made.items()}
        inputs = None
        if setting.has_inputs:
            inputs = images_of(setting.shape, COUNT, 3).to(trial.dtype)[order]
        super().__init__(game, role, 0, Batch(images[0], labels, inputs), made, latent)
        self.own = copy.deepcopy(scene.own.get("loss"))
        if self.own is not None and trial.moved:
            move_state(self.own)
        self.trained = critic.gain if role == "discriminator" else self.gain
        """The weight on the logits that the half trains."""
        self.other = self.gain if role == "discriminator" else critic.gain
        network = critic if role == "discriminator" else scene.networks["generator"]
        self.reached = [self.trained, *network.parameters()]
        """Everything that the half trains."""
        if self.own is not None and trial.spec.trained_with == role:
            self.reached += self.own.parameters()


def _with_first(images: Tensor, logits: Tensor) -> Tensor:
    flat = images.flatten(1)
    return torch.cat([logits[:, None].to(flat.dtype), flat[:, 1:]], 1).view_as(images)


class Trial:
    """A loss, and what it says to given logits."""

    def __init__(self, spec: LossSpec, setting: Setting) -> None:
        self.spec = spec
        self.setting = setting
        # Modules of a component's own, and networks of others, compute as in a run.
        is_bare = setting.is_plain and spec.module(LATENT, setting.shape) is None
        self.dtype = torch.float64 if is_bare else torch.float32
        self.close = 1e-9 if is_bare else 1e-4
        self.moved = False
        """Whether what the loss remembers has moved from where it begins."""
        generator = torch.Generator().manual_seed(5)
        self.spread = 0.1 * torch.randn(2, COUNT, generator=generator, dtype=self.dtype)

    @cached_property
    def scene(self) -> Scene:
        """The networks and the module that halves are made with."""
        scene = Scene(self.setting)
        for network in scene.networks.values():
            network.to(self.dtype)
        return scene

    def half(self, role: Role, real: Any, fake: Any, order: Tensor | None = None) -> Half:
        """Return the half of a step in which logits are ``real`` and ``fake``.

        Args:
            role: whose half.
            real: logits of the real images.
            fake: logits of the fakes.
            order: of the images that the logits belong to, with their labels and latents.
        """
        full = torch.zeros(COUNT if order is None else len(order), dtype=self.dtype)
        which = torch.arange(COUNT) if order is None else order
        return Half(self, role, full + real, full + fake, which)

    def terms(self, half: Half) -> Mapping[str, Tensor]:
        """Return the terms of a half."""
        found: Mapping[str, Tensor] = getattr(self.spec, f"{half.role}_terms")(half)
        return found

    def value(self, role: Role, real: Any, fake: Any, order: Tensor | None = None) -> float:
        """Return what a side minimises."""
        return float(total(self.terms(self.half(role, real, fake, order))).detach())


def check(spec: LossSpec, beside: Beside = None) -> Report:
    """Try all that a loss promises, with every choice its keys offer.

    Args:
        spec: the loss.
        beside: networks that return what it asks for by name.
    """
    return Report.of(cases(spec, beside))


def cases(spec: LossSpec, beside: Beside = None) -> list[Case]:
    """Return the checks one by one."""
    try:
        setting = setting_for(spec, beside)
    except UntriedError as reason:
        return [untried(spec, str(reason))]

    def trials() -> list[tuple[str, Trial]]:
        return [(what, Trial(one, setting.with_other(one))) for what, one in variants(spec)]

    claims = [_everywhere(claim) for claim in CLAIMS]
    return cases_of(spec, claims, trials) + cases_of(
        spec, played.CLAIMS, lambda: Trial(spec, setting)
    )


def _everywhere(claim: Claim[Trial]) -> Claim[list[tuple[str, Trial]]]:
    def run(trials: list[tuple[str, Trial]]) -> Iterator[str]:
        for what, trial in trials:
            for text in claim(trial):
                yield type(text)(f"{text}{what}")

    run.__name__ = claim.__name__
    return run


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
        return "it has no sign: it does not distinguish better from worse"
    return "it must fall from each to the next; it has no clear sign"


def order_of_the_batch_does_not_matter(trial: Trial) -> Iterator[str]:
    real, fake = 10 * trial.spread
    order = torch.randperm(COUNT)
    for role in ROLES:
        before = trial.value(role, real, fake)
        after = trial.value(role, real[order], fake[order], order)
        if abs(before - after) > trial.close * max(1, abs(before)):
            yield (
                f"the {role}'s loss is {before:.6g}, and {after:.6g} for the same batch in "
                "another order"
            )


def a_batch_twice_as_large_costs_the_same(trial: Trial) -> Iterator[str]:
    real, fake = 10 * trial.spread[:, : COUNT // 2]
    for role in ROLES:
        values = []
        for times in (1, 2):
            order = torch.arange(COUNT // 2).repeat(times)
            values.append(trial.value(role, real.repeat(times), fake.repeat(times), order))
        if abs(values[0] - values[1]) > max(1e-6, trial.close) * max(1, abs(values[0])):
            yield Note(
                f"the {role}'s loss is {values[0]:.4g} for a batch and {values[1]:.4g} for the "
                "same images twice: a sum in place of a mean?"
            )


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
    slopes = _slopes_of_a_wrong_discriminator(trial)
    if not all(slopes.values()):
        # What begins at 0 may well leave a term out until it moves: k in BEGAN.
        later = Trial(trial.spec, trial.setting)
        later.moved = True
        slopes = {
            which: slopes[which] or reached
            for which, reached in _slopes_of_a_wrong_discriminator(later).items()
        }
    for which, learns in slopes.items():
        if not learns:
            yield (
                f"a discriminator that is wrong by {EXTREME:g} gets no gradient at {which} images: "
                "compute the loss from logits (logsigmoid), not from probabilities"
            )
    half = trial.half("generator", EXTREME, -EXTREME)
    (slope,) = torch.autograd.grad(total(trial.terms(half)), [half.gain], allow_unused=True)
    if slope is None or not bool(slope):
        yield Note(
            "the generator learns nothing where the discriminator is sure (fakes at "
            f"-{EXTREME:g}): a saturating loss"
        )


def _slopes_of_a_wrong_discriminator(trial: Trial) -> dict[str, bool]:
    half = trial.half("discriminator", -EXTREME, EXTREME)
    given = []
    for out in (half.real_out, half.fake_out):
        logits = out["logits"].detach().requires_grad_()
        given.append({**out, "logits": logits})
    vars(half).update(real_out=given[0], fake_out=given[1])
    both = [each["logits"] for each in given]
    slopes = torch.autograd.grad(total(trial.terms(half)), both, allow_unused=True)
    return {
        which: slope is not None and bool(slope.any())
        for which, slope in zip(("real", "fake"), slopes, strict=True)
    }


def every_term_reaches_its_own_side(trial: Trial) -> Iterator[str]:
    for role in ROLES:
        half = trial.half(role, *(10 * trial.spread))
        before = [half.trained.detach().clone(), half.other.detach().clone()]
        wanted = [each for each in half.reached if each.requires_grad]
        for name, value in trial.terms(half).items():
            slopes: tuple[Tensor | None, ...] = ()
            if value.requires_grad:
                slopes = torch.autograd.grad(value, wanted, retain_graph=True, allow_unused=True)
            if all(slope is None for slope in slopes):
                yield f"the {role}'s term '{name}' reaches no parameter of the {role}"
        if any(each.grad is not None for each in (*half.reached, half.other)):
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
