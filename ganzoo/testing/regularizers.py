"""What a regularizer promises: tried on a critic whose slope is known everywhere."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any
from unittest import mock

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from ganzoo.plugin.specs import RegularizerSpec
from ganzoo.plugin.types import ImageShape
from ganzoo.testing import played
from ganzoo.testing.claims import Claim, cases_of, same, show, untried
from ganzoo.testing.examples import UntriedError
from ganzoo.testing.findings import Case, Note, Report
from ganzoo.testing.played import terms_by
from ganzoo.testing.scene import (
    CLASSES,
    COUNT,
    LATENT,
    Beside,
    PlainDiscriminator,
    Scene,
    Setting,
    setting_for,
)
from ganzoo.testing.stage import stage
from ganzoo.training.feed import Batch
from ganzoo.training.half_step import HalfStep

SHAPE = (3, 6, 6)
SLOPE = 1 + 32.469**0.5
"""‖w‖ of the linear critic; the penalty (‖w‖ - 1)² of WGAN-GP is 32.469 there, on any images."""


class Linear(nn.Module):
    """The critic D(x) = ⟨w, x⟩: its slope is w at every image."""

    def __init__(self, seed: int = 0, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        w = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
        if seed:
            w[:, 1:] = 0  # all of it in one row: another direction of the same length
        self.w = nn.Parameter((SLOPE * w / w.norm()).to(dtype))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return ``[N]``."""
        return (images * self.w).flatten(1).sum(1)


class Curved(nn.Module):
    """A small critic whose slope differs from image to image."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        size = SHAPE[0] * SHAPE[1] * SHAPE[2]
        generator = torch.Generator().manual_seed(3)
        first = torch.randn(4, size, generator=generator, dtype=torch.float64) / size**0.5
        self.first = nn.Parameter((3 * first).to(dtype))
        last = torch.randn(4, generator=generator, dtype=torch.float64)
        self.last = nn.Parameter(last.to(dtype))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return ``[N]``."""
        return torch.tanh(images.flatten(1) @ self.first.T) @ self.last


class Trial:
    """A regularizer, and what it says of a critic."""

    def __init__(
        self,
        spec: RegularizerSpec,
        setting: Setting,
        expected: Callable[[float], float] | None = None,
    ) -> None:
        self.spec = spec
        self.setting = setting
        self.expected = expected
        torch.manual_seed(0)
        self.own = spec.module(LATENT, ImageShape(*SHAPE, num_classes=CLASSES))
        # A module of its own computes as in a run.
        self.dtype = torch.float64 if self.own is None else torch.float32
        self.close = 1e-6 if self.own is None else 1e-3
        self.step = 1e-5 if self.own is None else 3e-3

    def linear(self, seed: int = 0) -> Linear:
        """Return the critic whose slope is known."""
        return Linear(seed, self.dtype)

    def critics(self) -> tuple[nn.Module, nn.Module]:
        """Return a linear critic and a curved one."""
        return Linear(0, self.dtype), Curved(self.dtype)

    @cached_property
    def asks_for_more(self) -> bool:
        """Whether it asks a discriminator for more than logits, which these critics do not have."""
        return not isinstance(self.setting.discriminator, PlainDiscriminator)

    def terms(
        self, critic: nn.Module, count: int = COUNT, spec: RegularizerSpec | None = None
    ) -> Mapping[str, Tensor]:
        """Return the discriminator's terms on ``count`` real and fake images."""
        if self.asks_for_more:
            return {}
        spec = spec or self.spec
        generator = torch.Generator().manual_seed(count)
        drawn = torch.rand(2, count, *SHAPE, generator=generator, dtype=torch.float64)
        real, fake = drawn.to(self.dtype)
        labels = torch.arange(count) % CLASSES if "labels" in spec.needs else None
        inputs = torch.zeros_like(real) if self.setting.has_inputs else None
        batch = Batch(real * 2 - 1, labels, inputs)
        half = HalfStep(
            stage(nn.Identity(), critic),
            "discriminator",
            0,
            batch,
            {"images": fake - 0.5},
            torch.zeros(count, LATENT, dtype=self.dtype),
            needs=spec.needs,
        )
        half.own = copy.deepcopy(self.own)
        torch.manual_seed(11)
        return spec.discriminator_terms(half)

    def value(self, critic: nn.Module, count: int = COUNT, **keys: Any) -> Tensor:
        """Return the sum of the terms, with some keys of the spec changed."""
        spec = self.spec
        if keys:
            values = {name: getattr(spec, name) for name in type(spec).model_fields}
            spec = type(spec).model_validate({**values, **keys})
        terms = self.terms(critic, count, spec)
        return torch.stack([torch.as_tensor(value).double() for value in terms.values()]).sum()

    @property
    def has_terms(self) -> bool:
        """Whether it adds anything to the discriminator's loss."""
        return bool(self.terms(self.linear()))

    @property
    def is_slope_penalty(self) -> bool:
        """Whether its value is one of slopes, and so known on a linear critic."""
        return self.spec.second_order and self.has_terms


def check(
    spec: RegularizerSpec,
    expected: Callable[[float], float] | None = None,
    beside: Beside = None,
) -> Report:
    """Try all that a regularizer promises.

    Args:
        spec: the regularizer.
        expected: the value that a critic whose slope is s everywhere must give, as a function of
            s: ``lambda s: 10 * (s - 1) ** 2``.
        beside: networks that return what it asks for by name.
    """
    return Report.of(cases(spec, expected, beside))


def cases(
    spec: RegularizerSpec,
    expected: Callable[[float], float] | None = None,
    beside: Beside = None,
) -> list[Case]:
    """Return the checks one by one."""
    try:
        setting = setting_for(spec, beside)
    except UntriedError as reason:
        return [untried(spec, str(reason))]
    claims = (*CLAIMS, *played.CLAIMS)
    return cases_of(spec, claims, lambda: Trial(spec, setting, expected))


def returns_named_scalars(trial: Trial) -> Iterator[str]:
    for name, value in trial.terms(trial.linear()).items():
        if not isinstance(value, Tensor) or value.ndim:
            found = show(value.shape) if isinstance(value, Tensor) else type(value).__name__
            yield f"term '{name}' is {found}, not a scalar: take the mean over the batch"


def has_the_value_of_its_slope_on_a_linear_critic(trial: Trial) -> Iterator[str]:
    if not trial.is_slope_penalty:
        return
    value = float(trial.value(trial.linear()).detach())
    there = f"on the critic D(x) = <w, x>, whose slope is |w| = {SLOPE:.4f} at every image,"
    if trial.expected is not None:
        wanted = trial.expected(SLOPE)
        if abs(value - wanted) > 1e-4 * max(1, abs(wanted)):
            yield f"{there} its value is {value:.5g}, and should be {wanted:.5g}"
        return
    by_count = [float(trial.value(trial.linear(), count).detach()) for count in (2, COUNT)]
    if abs(by_count[0] - by_count[1]) > trial.close * max(1, abs(value)):
        yield (
            f"{there} its value is {by_count[0]:.5g} for 2 images and {by_count[1]:.5g} for "
            f"{COUNT}: the norm is one over the whole batch, or a sum takes the mean's place "
            f"((|w| - 1)² is {(SLOPE - 1) ** 2:.3f}, |w|² is {SLOPE**2:.3f})"
        )
    turned = float(trial.value(trial.linear(1)).detach())
    if abs(value - turned) > trial.close * max(1, abs(value)):
        yield (
            f"{there} its value is {value:.5g}, and {turned:.5g} for another w of the same length: "
            "the norm is not over all channels and pixels of an image "
            f"((|w| - 1)² is {(SLOPE - 1) ** 2:.3f}, |w|² is {SLOPE**2:.3f})"
        )


def trains_the_discriminator(trial: Trial) -> Iterator[str]:
    for critic in trial.critics():
        for name, value in trial.terms(critic).items():
            slopes: tuple[Tensor | None, ...] = (None,)
            if value.requires_grad:
                slopes = torch.autograd.grad(
                    value, list(critic.parameters()), allow_unused=True, retain_graph=True
                )
            if all(slope is None or not bool(slope.any()) for slope in slopes):
                what = type(critic).__name__.lower()
                yield (
                    f"term '{name}' gives a {what} critic no gradient at all, so it trains "
                    "nothing: take the inner gradient with create_graph=True, detach nothing"
                )


def its_gradient_is_the_slope_of_its_value(trial: Trial) -> Iterator[str]:
    if not trial.has_terms:
        return
    for critic in trial.critics():
        value = trial.value(critic)
        if not value.requires_grad:
            return  # trains_the_discriminator tells it
        parameters = list(critic.parameters())
        slopes = torch.autograd.grad(value, parameters, allow_unused=True)
        generator = torch.Generator().manual_seed(9)
        directions = [
            torch.randn(item.shape, generator=generator, dtype=item.dtype) for item in parameters
        ]
        pairs = zip(slopes, directions, strict=True)
        found = sum(float((s * v).sum()) for s, v in pairs if s is not None)
        wanted = (
            _at(trial, critic, directions, trial.step) - _at(trial, critic, directions, -trial.step)
        ) / (2 * trial.step)
        if abs(found - wanted) > max(1e-3, 10 * trial.close) * max(1, abs(wanted)):
            yield (
                f"along a direction in the weights of a {type(critic).__name__.lower()} critic its "
                f"value changes by {wanted:.5g}, its gradient says {found:.5g}: part of it is "
                "detached, or an inner gradient lacks create_graph=True"
            )


def _at(trial: Trial, critic: nn.Module, directions: list[Tensor], step: float) -> float:
    with _moved(critic, directions, step):
        return float(trial.value(critic).detach())


@contextmanager
def _moved(critic: nn.Module, directions: list[Tensor], step: float) -> Iterator[None]:
    kept = [item.detach().clone() for item in critic.parameters()]
    with torch.no_grad():
        for item, direction in zip(critic.parameters(), directions, strict=True):
            item.add_(direction, alpha=step)
    yield
    with torch.no_grad():
        for item, before in zip(critic.parameters(), kept, strict=True):
            item.copy_(before)


def says_whether_it_is_of_second_order(trial: Trial) -> Iterator[str]:
    taken = []
    original = torch.autograd.grad

    def watched(*args: Any, **rest: Any) -> Any:
        taken.append(bool(rest.get("create_graph")))
        return original(*args, **rest)

    with mock.patch.object(torch.autograd, "grad", watched):
        trial.terms(Curved(trial.dtype))
    if any(taken) and not trial.spec.second_order:
        yield (
            "it takes gradients with create_graph=True and does not say so: second_order = True; "
            "compiled code cannot be differentiated twice"
        )


def leaves_every_to_the_step(trial: Trial) -> Iterator[str]:
    if not trial.has_terms:
        return
    once, often = (float(trial.value(trial.linear(), every=k).detach()) for k in (1, 4))
    if abs(once - often) > 1e-3 * trial.close * max(1, abs(once)):
        yield (
            f"its value is {once:.5g} with every = 1 and {often:.5g} with every = 4; the step "
            "multiplies by 'every' itself"
        )


def a_weight_of_0_switches_it_off(trial: Trial) -> Iterator[str]:
    if not trial.has_terms:
        return
    try:
        value = float(trial.value(trial.linear(), weight=0.0).detach())
    except ValidationError:
        return
    if value:
        yield f"its value is {value:.5g} with weight = 0"


def takes_no_step_itself(trial: Trial) -> Iterator[str]:
    critic = trial.linear()
    before = critic.w.detach().clone()
    trial.terms(critic)
    if critic.w.grad is not None:
        yield "discriminator_terms() calls backward(); only the step may"
    if not torch.equal(critic.w, before):
        yield "discriminator_terms() changes weights; constrain() is for that"


def its_generator_terms_keep_to_the_same_rules(trial: Trial) -> Iterator[str]:
    """Look at the generator's half: scalars that its weight switches off and 'every' leaves."""
    if type(trial.spec).generator_terms is RegularizerSpec.generator_terms:
        return

    def terms(**keys: Any) -> Mapping[str, Tensor]:
        spec = trial.spec.model_copy(update=keys)
        return terms_by(Scene(replace(trial.setting, regularizers=[spec])), spec, "generator")

    for name, value in terms().items():
        if not isinstance(value, Tensor) or value.ndim:
            found = show(value.shape) if isinstance(value, Tensor) else type(value).__name__
            yield f"the generator's term '{name}' is {found}, not a scalar: take the mean"
            return
    once, off = terms(), terms(weight=0.0)
    # Asked by itself: the scene's step leaves a regularizer out where it is not its turn.
    often = terms(every=4)
    for name, value in once.items():
        if name in often and not same(often[name].detach(), value.detach()):
            yield (
                f"the generator's term '{name}' is {float(value.detach()):.5g} with every = 1 and "
                f"{float(often[name].detach()):.5g} with every = 4; the step multiplies by 'every' "
                "itself"
            )
        if name in off and bool(off[name].detach()):
            rest = float(off[name].detach())
            yield f"the generator's term '{name}' is {rest:.5g} with weight = 0"


def a_constraint_settles(trial: Trial) -> Iterator[str]:
    if type(trial.spec).constrain is RegularizerSpec.constrain:
        return
    critic = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.BatchNorm1d(5), nn.Linear(5, 1))
    with torch.no_grad():
        for item in critic.parameters():
            item.add_(100 * torch.randn(item.shape))
        before = [item.detach().clone() for item in critic.parameters()]
        trial.spec.constrain(critic)
        once = [item.detach().clone() for item in critic.parameters()]
        trial.spec.constrain(critic)
    if all(torch.equal(a, b) for a, b in zip(before, once, strict=True)):
        yield "constrain() leaves weights of about 100 as they are"
    if not all(bool(torch.isfinite(item).all()) for item in once):
        yield "constrain() makes weights that are not finite"
    if not all(torch.allclose(a, b) for a, b in zip(once, critic.parameters(), strict=True)):
        yield Note("constrain() twice is not the same as once")


CLAIMS: tuple[Claim[Trial], ...] = (
    returns_named_scalars,
    has_the_value_of_its_slope_on_a_linear_critic,
    trains_the_discriminator,
    its_gradient_is_the_slope_of_its_value,
    says_whether_it_is_of_second_order,
    leaves_every_to_the_step,
    a_weight_of_0_switches_it_off,
    takes_no_step_itself,
    its_generator_terms_keep_to_the_same_rules,
    a_constraint_settles,
)
