"""What a generator promises."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ganzoo.plugin.specs import GeneratorSpec
from ganzoo.plugin.types import ImageShape, is_points
from ganzoo.testing import networks
from ganzoo.testing.claims import Claim, cases_of, same, show, stirred, unreached
from ganzoo.testing.findings import Case, Note, Report
from ganzoo.testing.networks import CLASSES, NetworkTrial

LATENT = 12


class Trial(NetworkTrial):
    """A generator's spec and latents for it."""

    spec: GeneratorSpec

    def __init__(self, spec: GeneratorSpec) -> None:
        low, high = spec.output_range() or (-1.0, 1.0)
        super().__init__(spec, low, high)

    def raw(self, shape: ImageShape) -> nn.Module:
        """Build a generator of images of that shape."""
        return self.spec.build(LATENT, shape)

    def inputs(self, count: int, shape: ImageShape | None = None) -> tuple[Tensor, ...]:  # noqa: ARG002
        """Return latents ``[count, Z]``, and labels where they are wanted."""
        latent = torch.randn(count, LATENT, generator=torch.Generator().manual_seed(count))
        return (latent, torch.arange(count) % CLASSES) if self.spec.uses_labels else (latent,)


def check(spec: GeneratorSpec) -> Report:
    """Try all that a generator promises."""
    return Report.of(cases(spec))


def cases(spec: GeneratorSpec) -> list[Case]:
    """Return the checks one by one."""
    return cases_of(spec, CLAIMS, lambda: Trial(spec))


def makes_images_of_every_size_or_refuses(trial: Trial) -> Iterator[str]:
    def look(shape: ImageShape) -> Iterator[str]:
        network = trial.build(shape=shape)
        for count in (5, 2):
            with torch.no_grad():
                found = network(*trial.inputs(count))
            wanted = (count, shape.channels, shape.height, shape.width)
            if not isinstance(found, Tensor):
                yield f"it returned {type(found).__name__}, not a tensor"
            elif tuple(found.shape) != wanted:
                yield f"it returned {show(found.shape)} for {shape} images, {show(wanted)} wanted"
            elif not found.is_floating_point() or not bool(torch.isfinite(found).all()):
                yield f"it returned values for {shape} images that are not finite floats"

    yield from networks.sizes(trial, look)


def makes_a_single_image(trial: Trial) -> Iterator[str]:
    with torch.no_grad():
        found = trial.build().eval()(*trial.inputs(1))
    if len(found) != 1:
        yield f"it returned {show(found.shape)} for one latent"


def stays_in_its_value_range(trial: Trial) -> Iterator[str]:
    span = trial.spec.output_range()
    if span is None:
        yield Note("output_range() is None: nothing holds its values in the data's range")
        return
    network = trial.build()
    for factor in (1, 100):
        latent, *rest = trial.inputs(6)
        with torch.no_grad():
            found = network(latent * factor, *rest)
        low, high = float(found.min()), float(found.max())
        if low < span[0] - 1e-6 or high > span[1] + 1e-6:
            yield (
                f"values from {low:g} to {high:g} for latents times {factor}; output_range() "
                f"promises {list(span)}"
            )


def every_parameter_gets_a_gradient(trial: Trial) -> Iterator[str]:
    network = stirred(trial.build())
    made = network(*trial.inputs(6))
    (made * torch.randn(made.shape)).sum().backward()
    yield from unreached(network)


def different_latents_make_different_images(trial: Trial) -> Iterator[str]:
    with torch.no_grad():
        found = stirred(trial.build()).eval()(*trial.inputs(4))
    if torch.equal(found[0].expand_as(found), found):
        text = "four latents gave four times the same image"
        # Among points there are generators that are a point themselves (Dirac-GAN).
        yield Note(text) if is_points(trial.shape) else text


def same_seed_same_images(trial: Trial) -> Iterator[str]:
    yield from networks.same_seed_same_network(trial)


def train_and_eval_modes_are_told_apart(trial: Trial) -> Iterator[str]:
    network = stirred(trial.build())
    with torch.no_grad():
        torch.manual_seed(0)
        trained = network(*trial.inputs(6))
        whole = network.eval()(*trial.inputs(6))
        given = trial.inputs(6)
        alone = network(*[each[:1] for each in given])
    if not same(trained, whole):
        yield Note("train and eval modes make different images: batch norm or dropout")
    if not same(alone, whole[:1], 1e-4):
        yield "in eval mode an image depends on the others of its batch"


CLAIMS: tuple[Claim[Trial], ...] = (
    makes_images_of_every_size_or_refuses,
    makes_a_single_image,
    stays_in_its_value_range,
    every_parameter_gets_a_gradient,
    different_latents_make_different_images,
    same_seed_same_images,
    train_and_eval_modes_are_told_apart,
    *networks.SHARED,
)
