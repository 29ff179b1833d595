"""What a view promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.specs import OwnerSpec, ViewSpec
from ganzoo.plugin.types import ImageShape
from ganzoo.testing import played
from ganzoo.testing.claims import Claim, cases_of, images, show, untried
from ganzoo.testing.examples import UntriedError
from ganzoo.testing.findings import Case, Note, Report
from ganzoo.testing.scene import (
    CLASSES,
    COUNT,
    LATENT,
    Beside,
    Setting,
    move_state,
    setting_for,
)
from ganzoo.training.half_step import Player, apply_views

SIZES = ((3, 16, 16), (1, 28, 28), (3, 9, 12), (2, 1, 1))
BOTH: tuple[Literal["real", "fake"], ...] = ("real", "fake")


class Trial:
    """A view and the sizes of images it does not refuse."""

    def __init__(self, spec: ViewSpec, setting: Setting) -> None:
        self.spec = spec
        self.setting = setting
        self.shapes: list[ImageShape] = []
        self.moved = False
        """Whether what it remembers has moved from where it begins."""
        refusals = []
        for size in SIZES:
            try:
                self.spec.shape(ImageShape(*size))
            except GanzooError as error:
                refusals.append(str(error))
            else:
                self.shapes.append(ImageShape(*size))
        if not self.shapes:
            raise GanzooError(f"it refuses every size: {'; '.join(refusals)}")

    def apply(
        self, which: Literal["real", "fake"], seed: int = 0, given: Tensor | None = None
    ) -> Tensor:
        """Return what is seen of eight images."""
        given = images(self.shapes[0], COUNT) if given is None else given
        channels, height, width = given.shape[1:]
        shape = ImageShape(channels, height, width, num_classes=CLASSES)
        torch.manual_seed(0)
        own = self.spec.module(LATENT, self.spec.shape(shape))
        if own is not None and self.moved:
            move_state(own)
        torch.manual_seed(seed)
        return apply_views([Player(self.spec, own)], given, which)


def check(spec: ViewSpec, beside: Beside = None) -> Report:
    """Try all that a view promises.

    Args:
        spec: the view.
        beside: networks that return what it asks for by name.
    """
    return Report.of(cases(spec, beside))


def cases(spec: ViewSpec, beside: Beside = None) -> list[Case]:
    """Return the checks one by one: where what it remembers begins, and after it has moved."""
    try:
        setting = setting_for(spec, beside)
    except UntriedError as reason:
        return [untried(spec, str(reason))]
    claims = [*map(_moved_as_well, CLAIMS), *played.CLAIMS]
    return cases_of(spec, claims, lambda: Trial(spec, setting))


def _moved_as_well(claim: Claim[Trial]) -> Claim[Trial]:
    def run(trial: Trial) -> Iterator[str]:
        said: dict[str, None] = {}
        remembers = type(trial.spec).module is not OwnerSpec.module
        for moved in (False, True) if remembers else (False,):
            trial.moved = moved
            said |= dict.fromkeys(claim(trial))
        yield from said

    run.__name__ = claim.__name__
    return run


def makes_the_shape_it_says(trial: Trial) -> Iterator[str]:
    for shape in trial.shapes:
        wanted = trial.spec.shape(shape)
        for which in BOTH:
            found = trial.apply(which, given=images(shape, COUNT))
            if tuple(found.shape[1:]) != (wanted.channels, wanted.height, wanted.width):
                yield (
                    f"{which} images of {shape} become {show(found.shape[1:])}; shape() says "
                    f"{wanted}"
                )
            if trial.spec.keeps_labels and len(found) != COUNT:
                yield f"{COUNT} {which} images become {len(found)}, and keeps_labels is True"
            if not found.is_floating_point() or not bool(torch.isfinite(found).all()):
                yield f"{which} images of {shape} become values that are not finite floats"


def the_generator_learns_through_it(trial: Trial) -> Iterator[str]:
    given = images(trial.shapes[0], COUNT).requires_grad_()
    seen = trial.apply("fake", given=given)
    if not seen.requires_grad:
        yield "what is seen of fakes has no gradient: the generator learns nothing"
        return
    (slope,) = torch.autograd.grad((seen * torch.randn(seen.shape)).sum(), given)
    if not bool(slope.any()) or not bool(torch.isfinite(slope).all()):
        yield "the gradient at the fakes is 0 or not finite: the generator learns nothing"


def draws_from_the_seeded_generator_only(trial: Trial) -> Iterator[str]:
    for which in BOTH:
        if not torch.equal(trial.apply(which, 5), trial.apply(which, 5)):
            yield (
                f"the same {which} images and seed look different: draw from torch's global "
                "generator, which every step seeds"
            )


def leaves_its_input_alone(trial: Trial) -> Iterator[str]:
    for which in BOTH:
        given = images(trial.shapes[0], COUNT)
        before = given.clone()
        trial.apply(which, given=given)
        if not torch.equal(given, before):
            yield f"it changes {which} images in place"


def keeps_the_range_it_says(trial: Trial) -> Iterator[str]:
    wanted = trial.spec.shape(trial.shapes[0])
    found = trial.apply("real")
    low, high = float(found.min()), float(found.max())
    if low < wanted.low - 1e-6 or high > wanted.high + 1e-6:
        span = f"[{wanted.low:g}, {wanted.high:g}]"
        yield Note(f"values from {low:.3g} to {high:.3g}; shape() says {span}")


def takes_an_odd_batch(trial: Trial) -> Iterator[str]:
    for which in BOTH:
        try:
            trial.apply(which, given=images(trial.shapes[0], 7))
        except GanzooError as error:
            yield Note(f"it refuses seven {which} images: {error}")


CLAIMS: tuple[Claim[Trial], ...] = (
    makes_the_shape_it_says,
    the_generator_learns_through_it,
    draws_from_the_seeded_generator_only,
    leaves_its_input_alone,
    keeps_the_range_it_says,
    takes_an_odd_batch,
)
