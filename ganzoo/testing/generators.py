"""What a generator promises."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import torch
from torch import Tensor, nn

from ganzoo.plugin.specs import GeneratorSpec
from ganzoo.plugin.types import ImageShape, is_points
from ganzoo.recipe.model import Latent, Recipe
from ganzoo.sampling.export import write_onnx, write_program
from ganzoo.sampling.model import Model
from ganzoo.testing import networks
from ganzoo.testing.claims import Claim, cases_of, images, same, show, stirred
from ganzoo.testing.findings import Case, Note, Report
from ganzoo.testing.networks import NetworkTrial
from ganzoo.testing.scene import LATENT

Form = Literal["onnx", "pt2"]


class Trial(NetworkTrial):
    """A generator's spec and latents for it."""

    main = "images"
    spec: GeneratorSpec

    def __init__(self, spec: GeneratorSpec, program: Form | None = None) -> None:
        low, high = spec.output_range() or (-1.0, 1.0)
        super().__init__(spec, low, high)
        self.program = program or ("onnx" if _has_onnx() else "pt2")

    def raw(self, shape: ImageShape) -> nn.Module:
        """Build a generator of images of that shape."""
        return self.spec.build(LATENT, shape)

    def drawn(self, count: int) -> Tensor:
        """Return latents ``[count, Z]`` of the prior."""
        return torch.randn(count, LATENT, generator=torch.Generator().manual_seed(count))

    def first_input(self, count: int, shape: ImageShape) -> Tensor:
        """Return what the network is given: for latents of the prior, or images to translate."""
        if self.spec.translates:
            return images(shape, count, count)
        return self.spec.latents(self.drawn(count))


def _has_onnx() -> bool:
    return all(find_spec(package) for package in ("onnx", "onnxscript", "onnxruntime"))


def check(spec: GeneratorSpec, program: Form | None = None) -> Report:
    """Try all that a generator promises.

    Args:
        spec: the generator.
        program: what it is exported to; left out: 'onnx' where that is installed, else 'pt2'.
    """
    return Report.of(cases(spec, program))


def cases(spec: GeneratorSpec, program: Form | None = None) -> list[Case]:
    """Return the checks one by one."""
    return cases_of(spec, CLAIMS, lambda: Trial(spec, program))


def makes_images_of_every_size_or_refuses(trial: Trial) -> Iterator[str]:
    def look(shape: ImageShape) -> Iterator[str]:
        network = trial.build(shape=shape)
        for count in (5, 2):
            with torch.no_grad():
                found = trial.result(network, trial.inputs(count, shape))
            wanted = (count, shape.channels, shape.height, shape.width)
            if tuple(found.shape) != wanted:
                yield f"it returned {show(found.shape)} for {shape} images, {show(wanted)} wanted"
            elif not found.is_floating_point() or not bool(torch.isfinite(found).all()):
                yield f"it returned values for {shape} images that are not finite floats"

    yield from networks.sizes(trial, look)


def makes_a_single_image(trial: Trial) -> Iterator[str]:
    with torch.no_grad():
        found = trial.result(trial.build().eval(), trial.inputs(1))
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
            found = trial.result(network, (latent * factor, *rest))
        low, high = float(found.min()), float(found.max())
        if low < span[0] - 1e-6 or high > span[1] + 1e-6:
            yield (
                f"values from {low:g} to {high:g} for latents times {factor}; output_range() "
                f"promises {list(span)}"
            )


def every_parameter_gets_a_gradient(trial: Trial) -> Iterator[str]:
    yield from networks.every_parameter_is_reached(trial)


def different_latents_make_different_images(trial: Trial) -> Iterator[str]:
    with torch.no_grad():
        found = trial.result(stirred(trial.build()).eval(), trial.inputs(4))
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
        trained = trial.result(network, trial.inputs(6))
        whole = trial.result(network.eval(), trial.inputs(6))
        given = trial.inputs(6)
        alone = trial.result(network, [each[:1] for each in given])
    if not same(trained, whole):
        yield Note("train and eval modes make different images: batch norm or dropout")
    if not same(alone, whole[:1], 1e-4):
        yield "in eval mode an image depends on the others of its batch"


def is_exported_for_batches_of_any_size(trial: Trial) -> Iterator[str]:
    recipe = Recipe.model_construct(  # type: ignore[call-arg]
        generator=trial.spec, latent=Latent(size=LATENT)
    )
    classes = tuple(map(str, range(trial.shape.num_classes)))
    network = stirred(trial.build()).eval()
    model = Model(recipe, trial.shape, classes, network, 0, is_average=False)
    with TemporaryDirectory() as folder:
        write = write_onnx if trial.program == "onnx" else write_program
        write(model, Path(folder) / f"generator.{trial.program}")
    yield from ()  # what is wrong is raised


def what_may_change_at_sampling_is_a_key(trial: Trial) -> Iterator[str]:
    for name in sorted(trial.spec.at_sampling - type(trial.spec).model_fields.keys()):
        yield f"at_sampling names '{name}', which is no key of it"


def latents_keep_their_number(trial: Trial) -> Iterator[str]:
    if trial.spec.translates:
        return  # it is given none
    for count in (1, 4):
        found = trial.spec.latents(trial.drawn(count))
        if not isinstance(found, Tensor) or found.ndim == 0 or len(found) != count:
            shape = show(found.shape) if isinstance(found, Tensor) else type(found).__name__
            yield f"latents() returned {shape} for {count} latents; it returns a row for each"
            return


CLAIMS: tuple[Claim[Trial], ...] = (
    makes_images_of_every_size_or_refuses,
    makes_a_single_image,
    stays_in_its_value_range,
    every_parameter_gets_a_gradient,
    different_latents_make_different_images,
    same_seed_same_images,
    train_and_eval_modes_are_told_apart,
    is_exported_for_batches_of_any_size,
    what_may_change_at_sampling_is_a_key,
    latents_keep_their_number,
    *networks.SHARED,
)
