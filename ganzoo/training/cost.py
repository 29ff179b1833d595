"""What a step costs, found by making one with few images: operations, and memory it takes."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganzoo.common.errors import GanzooError
from ganzoo.training.cuda_graph import GraphStep
from ganzoo.training.own_step import OwnStep
from ganzoo.training.parts import Parts
from ganzoo.training.step import AdversarialStep, Inputs

FEW = (2, 16)
"""Images of the step that is tried; more where a pack or a group of images wants more."""


class Cost(NamedTuple):
    """What a step takes.

    Attributes:
        tried: images of the step that was made.
        gflop: billions of operations, an addition and a multiplication being two; those of
            convolutions and matrix products alone, which is nearly all.
        weights: bytes of all networks, gradients and averages included.
        optimizers: bytes that optimizers remember.
        kept: bytes kept for gradients at most.
    """

    tried: int
    gflop: float
    weights: int
    optimizers: int
    kept: int

    @property
    def memory(self) -> int:
        """Bytes in all, without images of the data and what the libraries take for themselves."""
        return self.weights + self.optimizers + self.kept


def cost_of_a_step(parts: Parts) -> Cost:
    """Return what a step of the recipe costs; the networks are moved by the one that is made.

    Operations and what is kept grow as the batch does: they are scaled from few images to all.
    With accumulation, a part of the batch is kept at a time.
    """
    whole = plain(parts).inputs(0, parts.feed)
    count = len(whole.batches[0].images)
    tries = sorted({min(count, number * parts.recipe.step.accumulate) for number in (*FEW, count)})
    for number in tries:
        try:
            return _tried(parts, whole, number, count)
        except GanzooError:
            if number == count:
                raise
    raise AssertionError


def _tried(parts: Parts, whole: Inputs, tried: int, count: int) -> Cost:
    """Make a step of ``tried`` of its ``count`` images."""
    # Copies, which are no parts of something large.
    inputs = Inputs(
        [batch.rows(slice(tried)).each(torch.clone) for batch in whole.batches],
        [each[:tried].clone() for each in whole.latents],
        [each[:tried].clone() for each in whole.redrawn],
    )
    networks = list(parts.networks.values())
    held = Held(networks)
    counter = Operations()
    # A generator that waits is counted when it no longer does.
    number = parts.recipe.step.waits()
    with counter, saved_tensors_hooks(held.pack, held.unpack):
        plain(parts).update(number, inputs, observe=False)
    trained = sum(
        weight.nbytes
        for side in parts.sides.values()
        for weight in side.moved
        if weight.requires_grad
    )
    weights = sum(value.nbytes for each in networks for value in each.state_dict().values())
    remembered = sum(
        value.nbytes
        for side in parts.sides.values()
        for values in side.optimizer.state.values()
        for value in values.values()
        if isinstance(value, Tensor)
    )
    times = count / tried
    return Cost(
        tried,
        counter.total * times / 1e9,
        weights + trained,
        remembered,
        round(held.most * times),
    )


def plain(parts: Parts) -> AdversarialStep | OwnStep:
    """Return the step as it is before any graph is captured of it."""
    step = parts.step
    if isinstance(step, GraphStep):
        return step.plain
    assert isinstance(step, AdversarialStep | OwnStep)
    return step


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations by torch's own formulas.

    torch's ``FlopCounterMode`` also tells them by module, with hooks that raise where a penalty
    takes a gradient inside of a step.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do an operation, and count what is in it."""
        kwargs = kwargs or {}
        found = func(*args, **kwargs)
        if formula := flop_registry.get(func._overloadpacket):
            self.total += formula(*args, **kwargs, out_val=found)
        return found


class Held:
    """Counts the bytes that are kept for gradients, each once however often it is kept.

    Args:
        networks: whose weights are no part of it.
    """

    def __init__(self, networks: list[nn.Module]) -> None:
        own = (value for each in networks for value in each.state_dict(keep_vars=True).values())
        self.weights = {value.untyped_storage().data_ptr() for value in own}
        self.places: Counter[int] = Counter()
        self.now = self.most = 0

    def pack(self, tensor: Tensor) -> Kept:
        """Count a tensor that is kept."""
        place = tensor.untyped_storage().data_ptr()
        if place not in self.weights:
            if not self.places[place]:
                self.now += tensor.untyped_storage().nbytes()
                self.most = max(self.most, self.now)
            self.places[place] += 1
        return Kept(self, tensor)

    def unpack(self, kept: Kept) -> Tensor:
        """Return it."""
        return kept.tensor

    def let_go(self, tensor: Tensor) -> None:
        """Count it no more."""
        place = tensor.untyped_storage().data_ptr()
        if place in self.places:
            self.places[place] -= 1
            if not self.places[place]:
                self.now -= tensor.untyped_storage().nbytes()
                del self.places[place]


class Kept:
    """A tensor for as long as it is kept."""

    def __init__(self, held: Held, tensor: Tensor) -> None:
        self.held, self.tensor = held, tensor

    def __del__(self) -> None:
        self.held.let_go(self.tensor)
