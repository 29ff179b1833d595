"""What generators and discriminators have in common when they are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.specs import DiscriminatorSpec, GeneratorSpec
from ganzoo.plugin.types import ImageShape
from ganzoo.testing.claims import (
    Claim,
    odd_norms,
    same,
    show,
    stirred,
    through_safetensors,
    unreached,
)
from ganzoo.testing.claims import named as named_spec
from ganzoo.testing.devices import on_no_device
from ganzoo.testing.scene import CLASSES, labels_of
from ganzoo.training.guards import wrong_output
from ganzoo.training.precision import named

MANY = 5
"""Numbers in a label, for networks that take more than a class."""
SIZES = ((1, 28, 28), (3, 32, 32), (1, 16, 16), (3, 64, 64), (3, 128, 128), (2, 1, 1),
         (3, 256, 256))  # fmt: skip
"""Channels, height and width of images that a network is tried on."""


class NetworkTrial:
    """A network's spec, the first size of images it takes, and inputs for it."""

    main: ClassVar[str]
    """What its main tensor is called."""

    def __init__(self, spec: GeneratorSpec | DiscriminatorSpec, low: float, high: float) -> None:
        self.spec = spec
        self.shapes = [ImageShape(*size, low, high, CLASSES) for size in SIZES]
        if isinstance(spec, GeneratorSpec) and spec.translates:
            self.shapes = [
                replace(shape, input_shape=(shape.channels, shape.height, shape.width))
                for shape in self.shapes
            ]
        if spec.uses_labels:
            self.shapes += [ImageShape(*size, low, high, 0, (MANY,)) for size in SIZES]
        self.shape = self._first()

    def raw(self, shape: ImageShape) -> nn.Module:
        """Build a network for images of that shape."""
        raise NotImplementedError

    def inputs(self, count: int, shape: ImageShape | None = None) -> tuple[Tensor, ...]:
        """Return what the network is called with."""
        first = self.first_input(count, shape or self.shape)
        labels = labels_of(shape or self.shape, count)
        return (first, labels) if self.spec.uses_labels else (first,)

    def first_input(self, count: int, shape: ImageShape) -> Tensor:
        """Return latents or images."""
        raise NotImplementedError

    def build(self, seed: int = 0, shape: ImageShape | None = None) -> nn.Module:
        """Build a network in train mode with seeded initial weights."""
        torch.manual_seed(seed)
        found = self.raw(shape or self.shape)
        if not isinstance(found, nn.Module):
            raise GanzooError(f"build() returned {type(found).__name__}, not a torch module")
        return found.train()

    def outputs(self, network: nn.Module, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return everything a network says, by name.

        Raises:
            GanzooError: if that is neither a tensor nor a mapping with the main one in it.
        """
        found = network(*inputs)
        if problems := wrong_output(self.spec, found, self.main):
            raise GanzooError("; ".join(problems))
        return named(found, self.main)

    def result(self, network: nn.Module, inputs: Sequence[Tensor]) -> Tensor:
        """Return the main tensor alone."""
        return self.outputs(network, inputs)[self.main]

    def _first(self) -> ImageShape:
        refusals = []
        for shape in self.shapes:
            try:
                self.raw(shape)
            except GanzooError as error:
                refusals.append(f"{shape}: {error}")
            else:
                return shape
        raise GanzooError(f"{named_spec(self.spec)} refuses every size: {'; '.join(refusals)}")


def sizes(trial: NetworkTrial, look: Callable[[ImageShape], Iterator[str]]) -> Iterator[str]:
    """Look at every size of images that is not refused with a GanzooError."""
    for shape in trial.shapes[:4]:
        try:
            trial.raw(shape)
        except GanzooError:
            continue
        except Exception as error:  # noqa: BLE001
            yield (
                f"build() for {shape} images raised {type(error).__name__}: {error}; raise a "
                "GanzooError that says what to change"
            )
            continue
        yield from look(shape)


def same_seed_same_network(trial: NetworkTrial) -> Iterator[str]:
    """Say where two networks of one seed differ, or one network from itself."""
    first, second = trial.build(3), trial.build(3)
    states = first.state_dict(), second.state_dict()
    for name, value in states[0].items():
        if name not in states[1] or not torch.equal(value, states[1][name]):
            yield f"initial weights '{name}' differ between two networks built from the same seed"
            return
    outputs = []
    for network in (first, second):
        torch.manual_seed(4)
        outputs.append(trial.outputs(network, trial.inputs(4)))
    if _differing(outputs[0], outputs[1], tolerance=0):
        yield "two networks of one seed give different results for the same input and seed"


def _differing(
    first: Mapping[str, Tensor], second: Mapping[str, Tensor], tolerance: float = 1e-5
) -> list[str]:
    """Return the names of what differs."""
    if first.keys() != second.keys():
        return sorted(first.keys() ^ second.keys())
    return [name for name in first if not same(first[name], second[name], tolerance)]


def its_state_goes_through_safetensors(trial: NetworkTrial) -> Iterator[str]:
    """Say what is lost when a network's state goes to another one through safetensors."""
    network, other = stirred(trial.build(1)), trial.build(2)
    for _ in range(2):
        with torch.no_grad():
            network(*trial.inputs(6))
    yield from through_safetensors(network, other)
    with torch.no_grad():
        found, wanted = (trial.outputs(each.eval(), trial.inputs(3)) for each in (other, network))
    if _differing(found, wanted):
        yield "a network that is given its state makes other results: something is outside of it"


def works_in_bfloat16(trial: NetworkTrial) -> Iterator[str]:
    """Say what is wrong under automatic mixed precision."""
    network = trial.build()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = trial.outputs(network, trial.inputs(4))
    for name, value in found.items():
        if not bool(torch.isfinite(value.float()).all()):
            what = "its results" if name == trial.main else f"its '{name}'"
            yield f"{what} in bfloat16 are not finite"


def makes_its_tensors_where_its_input_is(trial: NetworkTrial) -> Iterator[str]:
    """Say where a pass on the meta device meets a tensor of another."""
    said: list[str] = []
    network = trial.build().to("meta")
    given = [each.to("meta") for each in trial.inputs(4)]
    for training in (True, False):
        with on_no_device(said):
            network.train(training)(*given)
    yield from dict.fromkeys(said)


def what_it_returns_has_names_and_numbers(trial: NetworkTrial) -> Iterator[str]:
    """Look at everything a network returns beside its main tensor."""
    names = set()
    network = trial.build()
    for count, training in ((4, True), (5, True), (4, False)):
        with torch.no_grad():
            found = trial.outputs(network.train(training), trial.inputs(count))
        names.add(tuple(found))
        for name, value in found.items():
            if hung := sorted(vars(value)):
                yield (
                    f"'{hung[0]}' hangs on its tensor '{name}' as an attribute, which is lost in "
                    "joint batches and in bfloat16: return a mapping with it"
                )
            is_extra_of_images = name != trial.main and trial.spec.kind == "discriminator"
            if is_extra_of_images and (value.ndim == 0 or len(value) != count):
                yield (
                    f"it returned '{name}' as {show(value.shape)} for {count} images; joint "
                    "batches need one entry an image, as the first dimension"
                )
                return
            if name != trial.main and not bool(torch.isfinite(value).all()):
                yield f"its '{name}' is not finite"
    if len(names) > 1:
        yield f"what it returns changes with mode or batch: {' and then '.join(map(str, names))}"


def leaves_its_input_alone(trial: NetworkTrial) -> Iterator[str]:
    """Say whether a network writes into what it is given."""
    given = trial.inputs(4)
    before = [each.clone() for each in given]
    with torch.no_grad():
        trial.build()(*given)
    if not all(torch.equal(a, b) for a, b in zip(given, before, strict=True)):
        yield "it changes its input in place"


def labels_make_a_difference(trial: NetworkTrial) -> Iterator[str]:
    """Say whether a network that asks for labels ignores them."""
    if not trial.spec.uses_labels:
        return
    network = stirred(trial.build()).eval()
    first, labels = trial.inputs(4)
    others = 1 - labels if trial.shape.label_shape else (labels + 1) % CLASSES
    with torch.no_grad():
        found = [trial.outputs(network, (first, each)) for each in (labels, others)]
    if not _differing(found[0], found[1], tolerance=0):
        yield "uses_labels is True, and other labels make no difference"


def every_parameter_is_reached(trial: NetworkTrial) -> Iterator[str]:
    """Say which parameters nothing depends on that a network returns under any name."""
    network = stirred(trial.build())
    found = trial.outputs(network, trial.inputs(6))
    sums = [
        (value * torch.randn(value.shape)).sum()
        for value in found.values()
        if value.requires_grad and value.is_floating_point()
    ]
    if not sums:
        yield "nothing that it returns depends on its parameters"
        return
    torch.stack(sums).sum().backward()  # type: ignore[no-untyped-call]
    yield from unreached(network)


def its_norms_are_plausible(trial: NetworkTrial) -> Iterator[str]:
    """Say which normalisation layers have numbers that look like a mistake."""
    yield from odd_norms(trial.build())


SHARED: tuple[Claim[NetworkTrial], ...] = (
    its_state_goes_through_safetensors,
    works_in_bfloat16,
    makes_its_tensors_where_its_input_is,
    what_it_returns_has_names_and_numbers,
    leaves_its_input_alone,
    labels_make_a_difference,
    its_norms_are_plausible,
)
"""What both promise."""
