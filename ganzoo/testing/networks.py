"""What generators and discriminators have in common when they are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.specs import DiscriminatorSpec, GeneratorSpec
from ganzoo.plugin.types import ImageShape
from ganzoo.testing.claims import Claim, named, odd_norms, same, stirred, through_safetensors

CLASSES = 3
SIZES = ((1, 28, 28), (3, 32, 32), (1, 16, 16), (3, 64, 64), (3, 128, 128), (2, 1, 1))
"""Channels, height and width of images that a network is tried on."""


class NetworkTrial:
    """A network's spec, the first size of images it takes, and inputs for it."""

    def __init__(self, spec: GeneratorSpec | DiscriminatorSpec, low: float, high: float) -> None:
        self.spec = spec
        self.shapes = [ImageShape(*size, low, high, CLASSES) for size in SIZES]
        self.shape = self._first()

    def raw(self, shape: ImageShape) -> nn.Module:
        """Build a network for images of that shape."""
        raise NotImplementedError

    def inputs(self, count: int, shape: ImageShape | None = None) -> tuple[Tensor, ...]:
        """Return what the network is called with."""
        raise NotImplementedError

    def build(self, seed: int = 0, shape: ImageShape | None = None) -> nn.Module:
        """Build a network in train mode with seeded first weights."""
        torch.manual_seed(seed)
        found = self.raw(shape or self.shape)
        if not isinstance(found, nn.Module):
            raise GanzooError(f"build() returned {type(found).__name__}, not a torch module")
        return found.train()

    def _first(self) -> ImageShape:
        refusals = []
        for shape in self.shapes:
            try:
                self.raw(shape)
            except GanzooError as error:
                refusals.append(f"{shape}: {error}")
            else:
                return shape
        raise GanzooError(f"{named(self.spec)} refuses every size: {'; '.join(refusals)}")


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
            yield f"first weights '{name}' differ between two networks built from the same seed"
            return
    outputs = []
    for network in (first, second):
        torch.manual_seed(4)
        outputs.append(network(*trial.inputs(4)))
    if not torch.equal(outputs[0], outputs[1]):
        yield "two networks of one seed give different results for the same input and seed"


def its_state_goes_through_safetensors(trial: NetworkTrial) -> Iterator[str]:
    """Say what is lost when a network's state goes to another one through safetensors."""
    network, other = stirred(trial.build(1)), trial.build(2)
    for _ in range(2):
        with torch.no_grad():
            network(*trial.inputs(6))
    yield from through_safetensors(network, other)
    with torch.no_grad():
        found, wanted = other.eval()(*trial.inputs(3)), network.eval()(*trial.inputs(3))
    if not same(found, wanted):
        yield "a network that is given its state makes other results: something is outside of it"


def works_in_bfloat16(trial: NetworkTrial) -> Iterator[str]:
    """Say what is wrong under automatic mixed precision."""
    network = trial.build()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = network(*trial.inputs(4))
    if not bool(torch.isfinite(found.float()).all()):
        yield "its results in bfloat16 are not finite"


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
    with torch.no_grad():
        if torch.equal(network(first, labels), network(first, (labels + 1) % CLASSES)):
            yield "uses_labels is True, and other labels make no difference"


def its_norms_are_plausible(trial: NetworkTrial) -> Iterator[str]:
    """Say which normalisation layers have numbers that look like a mistake."""
    yield from odd_norms(trial.build())


SHARED: tuple[Claim[NetworkTrial], ...] = (
    its_state_goes_through_safetensors,
    works_in_bfloat16,
    leaves_its_input_alone,
    labels_make_a_difference,
    its_norms_are_plausible,
)
"""What both promise."""
