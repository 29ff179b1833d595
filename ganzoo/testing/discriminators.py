"""What a discriminator promises."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ganzoo.plugin.specs import DiscriminatorSpec
from ganzoo.plugin.types import ImageShape
from ganzoo.testing import networks
from ganzoo.testing.claims import Claim, cases_of, images, show, stirred
from ganzoo.testing.findings import Case, Note, Report
from ganzoo.testing.networks import NetworkTrial
from ganzoo.training.coupling import couples


class Trial(NetworkTrial):
    """A discriminator's spec and images for it."""

    main = "logits"
    spec: DiscriminatorSpec

    def __init__(self, spec: DiscriminatorSpec) -> None:
        super().__init__(spec, -1.0, 1.0)

    def raw(self, shape: ImageShape) -> nn.Module:
        """Build a discriminator of images of that shape."""
        return self.spec.build(shape)

    def fits(self, logits: Tensor, count: int) -> bool:
        """Return whether there is a logit for each image, or as many for each as for others."""
        if not self.spec.is_patchwise:
            return tuple(logits.shape) == (count,)
        return logits.ndim == 1 and len(logits) > 0 and len(logits) % count == 0

    def first_input(self, count: int, shape: ImageShape) -> Tensor:
        """Return images ``[count, C, H, W]``."""
        return images(shape, count, count)


def check(spec: DiscriminatorSpec) -> Report:
    """Try all that a discriminator promises."""
    return Report.of(cases(spec))


def cases(spec: DiscriminatorSpec) -> list[Case]:
    """Return the checks one by one."""
    return cases_of(spec, CLAIMS, lambda: Trial(spec))


def returns_one_logit_an_image(trial: Trial) -> Iterator[str]:
    def look(shape: ImageShape) -> Iterator[str]:
        network = trial.build(shape=shape)
        for count in (4, 5):
            with torch.no_grad():
                found = trial.result(network, trial.inputs(count, shape))
            if not trial.fits(found, count):
                yield (
                    f"it returned {show(found.shape)} for {count} images of {shape}, "
                    f"{show([count])} wanted: losses would broadcast it against others"
                )
                return
            elif not bool(torch.isfinite(found).all()):
                yield f"its logits for {shape} images are not finite"

    yield from networks.sizes(trial, look)


def takes_a_single_image(trial: Trial) -> Iterator[str]:
    with torch.no_grad():
        found = trial.result(trial.build().eval(), trial.inputs(1))
    if not trial.fits(found, 1):
        yield f"it returned {show(found.shape)} for one image, [1] wanted"


def returns_logits_not_probabilities(trial: Trial) -> Iterator[str]:
    found = []
    for seed in range(8):
        first, *rest = trial.inputs(5)
        with torch.no_grad():
            network = stirred(trial.build(seed))
            found.append(trial.result(network, (first * 30, *rest)).flatten())
    every = torch.cat(found)
    if bool(((every >= 0) & (every <= 1)).all()):
        yield (
            f"{len(every)} results of 8 networks all lie in [0, 1]: return logits, losses take the "
            "sigmoid themselves"
        )


def every_parameter_gets_a_gradient(trial: Trial) -> Iterator[str]:
    yield from networks.every_parameter_is_reached(trial)


def each_image_is_judged_by_itself(trial: Trial) -> Iterator[str]:
    first, *rest = trial.inputs(4)
    if couples(trial.build(), first, rest[0] if rest else None):
        yield Note(
            "an image's logit depends on the rest of its batch, as with batch norm: penalties on "
            "the slope (gradient_penalty, r1) lose their meaning"
        )


def its_slope_can_be_penalised(trial: Trial) -> Iterator[str]:
    network = stirred(trial.build())
    first, *rest = trial.inputs(4)
    first.requires_grad_()
    logits = trial.result(network, (first, *rest))
    (slope,) = torch.autograd.grad(logits.sum(), first, create_graph=True)
    if not slope.requires_grad:
        yield Note("its slope does not depend on its weights: penalties on it train nothing")
        return
    try:
        slope.square().sum().backward()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        yield Note(f"it cannot be differentiated twice, as r1 and gradient_penalty do: {error}")


def same_seed_same_logits(trial: Trial) -> Iterator[str]:
    yield from networks.same_seed_same_network(trial)


CLAIMS: tuple[Claim[Trial], ...] = (
    returns_one_logit_an_image,
    takes_a_single_image,
    returns_logits_not_probabilities,
    every_parameter_gets_a_gradient,
    each_image_is_judged_by_itself,
    its_slope_can_be_penalised,
    same_seed_same_logits,
    *networks.SHARED,
)
