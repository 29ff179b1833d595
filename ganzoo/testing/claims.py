"""Running a check: seeded, without a trace, and with every exception told as a problem."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.attempt import last_place
from ganzoo.plugin.limits import signals_noted
from ganzoo.plugin.specs import Spec
from ganzoo.plugin.types import ImageShape
from ganzoo.testing.findings import Case, Note
from ganzoo.training.randomness import observing

S = TypeVar("S")
Claim = Callable[[S], Iterator[str]]
"""Yields what is wrong, or a ``Note``. Its name, spaces for underscores, is what should be true."""


def named(spec: Spec | type[Spec]) -> str:
    """Return "loss 'hinge'"."""
    return f"{spec.kind} '{spec.use}'"


def cases_of(spec: Spec, claims: Sequence[Claim[S]], subject: Callable[[], S]) -> list[Case]:
    """Return a case for every claim, all about one subject that is made on first use."""
    made: list[S] = []

    def body(claim: Claim[S]) -> Callable[[], list[str]]:
        def run() -> Iterator[str]:
            if not made:
                made.append(subject())
            return claim(made[0])

        return lambda: guarded(run)

    return [
        Case(named(spec), claim.__name__.strip("_").replace("_", " "), body(claim))
        for claim in claims
    ]


def untried(spec: Spec | type[Spec], reason: str) -> Case:
    """Return the one case of a component that cannot be tried: a note that says why."""
    return Case(named(spec), "can be tried", lambda: [Note(reason)])


def guarded(body: Callable[[], Iterator[str]]) -> list[str]:
    """Return all that a check says; an exception is one more problem."""
    said: list[str] = []
    with observing(), signals_noted() as is_stop:
        torch.manual_seed(0)
        try:
            said.extend(body())
        except GanzooError as error:
            said.append(str(error))
        except BaseException as error:  # anything a plugin does
            if is_stop(error):
                raise
            said.append(f"{type(error).__name__}: {error}{last_place(error)}")
    return said


def images(shape: ImageShape, count: int, seed: int = 0) -> Tensor:
    """Return ``[count, C, H, W]`` of smooth random images in the value range."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, shape.channels, shape.height, shape.width, generator=generator)
    unit = torch.sigmoid(noise)
    return shape.low + (shape.high - shape.low) * unit


def stirred(network: nn.Module, amount: float = 0.02) -> nn.Module:
    """Move every parameter a little, so that initial weights of exactly 0 hide nothing."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=amount)
    return network


def unreached(network: nn.Module) -> Iterator[str]:
    """Say which parameters got no gradient, or one of exactly 0, from the last backward pass."""
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.grad is None:
            yield f"parameter '{name}' gets no gradient: nothing that is returned depends on it"
        elif not bool(torch.isfinite(parameter.grad).all()):
            yield f"the gradient of parameter '{name}' is not finite"
        elif not bool(parameter.grad.any()):
            yield f"the gradient of parameter '{name}' is exactly 0: its branch is dead"


def odd_norms(network: nn.Module) -> Iterator[str]:
    """Name normalisation layers whose ε drowns the variance it is added to."""
    for name, module in network.named_modules():
        eps = getattr(module, "eps", None)
        if isinstance(eps, float) and eps > 0.01 and "Norm" in type(module).__name__:
            yield (
                f"{type(module).__name__} '{name}' has eps = {eps:g}, 1e-5 is usual; the second "
                "argument of torch's batch norm is eps, not momentum"
            )


def same(found: Tensor, wanted: Tensor, tolerance: float = 1e-5) -> bool:
    """Tell whether two tensors agree in shape and, up to a relative tolerance, in value."""
    return found.shape == wanted.shape and torch.allclose(
        found, wanted, rtol=tolerance, atol=tolerance
    )


def through_safetensors(network: nn.Module, other: nn.Module) -> Iterator[str]:
    """Carry the state of one network to another by way of safetensors."""
    from safetensors.torch import load, save

    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    try:
        data = save(state)
    except RuntimeError as error:
        yield f"its state cannot be written: {error}"
        return
    try:
        other.load_state_dict(load(data))
    except RuntimeError as error:
        yield f"its state does not fit a second one built alike: {error}"


def show(shape: Sequence[int]) -> str:
    """Return '[4, 1, 28, 28]'."""
    return f"[{', '.join(map(str, shape))}]"


__all__ = [
    "Claim", "Note", "cases_of", "guarded", "images", "named", "odd_norms", "same", "show",
    "stirred", "through_safetensors", "unreached", "untried",
]  # fmt: skip
