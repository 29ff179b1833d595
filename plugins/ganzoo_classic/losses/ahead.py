"""Copies of a discriminator's weights that are moved ahead of it, differentiably."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from ganzoo_classic.losses.asked import Asked

SMALLEST = 1e-30
"""Added under the root, whose slope at 0 is infinite."""


class Rule(Protocol):
    """How weights move; ``flat`` and ``slope`` are all weights in one row, ``[P]``."""

    def __call__(self, flat: Tensor, slope: Tensor) -> Tensor:
        """Return the weights after a step."""
        ...


class Descent:
    """Gradient descent."""

    def __init__(self, rate: float) -> None:
        self._rate = rate

    def __call__(self, flat: Tensor, slope: Tensor) -> Tensor:
        """Return the weights after a step."""
        return flat - self._rate * slope


def unlike_adam(own: Optimizer) -> str:
    """Return what an optimizer does that ``Adam`` below does not; empty if nothing."""
    if not isinstance(own, torch.optim.Adam) or isinstance(own, torch.optim.AdamW):
        return "that one is not Adam"
    group, *others = own.param_groups
    if any(each[name] != group[name] for each in others for name in ("lr", "betas", "eps")):
        return "that one has several learning rates"
    options = [name for name in ("weight_decay", "amsgrad", "maximize") if group[name]]
    return f"that one has {options[0]}" if options else ""


class Adam:
    """Adam (Kingma & Ba 2015, arXiv:1412.6980, algorithm 1), from where an optimizer is.

    Args:
        own: it is read, not moved; before its first update moments begin at 0. Without one, as in
            checks, the rate is 1e-3 and the betas are Adam's own.
        weights: the parameters, in the order of the row.
        rate: a learning rate in place of the optimizer's.
    """

    def __init__(
        self, own: Optimizer | None, weights: Sequence[Tensor], rate: float | None
    ) -> None:
        group: dict[str, Any] = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8}
        if own is not None:
            group |= own.param_groups[0]
        self._rate = group["lr"] if rate is None else rate
        self._betas: tuple[float, float] = group["betas"]
        self._eps: float = group["eps"]
        kept = {} if own is None else own.state
        states = [kept.get(each, {}) for each in weights]
        self._mean, self._square = (
            torch.cat([
                state.get(name, torch.zeros_like(each)).detach().flatten()
                for each, state in zip(weights, states, strict=True)
            ])
            for name in ("exp_avg", "exp_avg_sq")
        )  # fmt: skip
        self._done = next((state["step"].clone() for state in states if state), torch.zeros(()))

    def __call__(self, flat: Tensor, slope: Tensor) -> Tensor:
        """Return the weights after a step."""
        first, second = self._betas
        self._done = self._done + 1
        self._mean = torch.lerp(slope, self._mean, first)
        self._square = torch.lerp(slope.square(), self._square, second)
        mean = self._mean / (1 - first**self._done)
        root = (self._square / (1 - second**self._done) + SMALLEST).sqrt()
        return flat - self._rate * mean / (root + self._eps)


class Ahead:
    """A discriminator whose weights move on while the original stays.

    Args:
        asked: the original, behind its context.
        own: what moves the original: weights that are not among its own stay, as in a frozen layer.
            All move where none are, as in checks on a copy.

    Attributes:
        weights: the original's parameters that move, in the order of the row.
    """

    def __init__(self, asked: Asked, own: Optimizer | None) -> None:
        groups = [] if own is None else own.param_groups
        movable = {id(each) for group in groups for each in group["params"]}
        named = dict(asked.named_parameters())
        moved = {name: each for name, each in named.items() if id(each) in movable} or named
        self.weights = [*moved.values()]
        self._asked = asked
        self._still = {
            **{name: each.detach() for name, each in named.items() if name not in moved},
            **{name: each.clone() for name, each in asked.named_buffers()},
        }
        self._shapes = {name: each.shape for name, each in moved.items()}
        self._sizes = [each.numel() for each in self.weights]
        self._flat = torch.cat([each.detach().flatten() for each in self.weights])
        self._flat.requires_grad_()
        self._pieces = self._cut()

    def outputs(self, images: Tensor, labels: Tensor | None = None) -> Mapping[str, Tensor]:
        """Return everything that is said of ``[N, C, H, W]``, by name."""
        found: Mapping[str, Tensor] = torch.func.functional_call(
            self._asked, {**self._pieces, **self._still}, (images, labels)
        )
        return found

    def step(self, rule: Rule, loss: Tensor, *, is_kept: bool) -> None:
        """Make one step down a loss.

        Args:
            rule: how the weights move.
            loss: of what was said last.
            is_kept: whether the new weights are a function of what the loss is made of.
        """
        (slope,) = torch.autograd.grad(loss, self._flat, create_graph=is_kept)
        flat = rule(self._flat, slope)
        self._flat = flat if is_kept else flat.detach().requires_grad_()
        self._pieces = self._cut()

    def _cut(self) -> dict[str, Tensor]:
        pieces = torch.split(self._flat, self._sizes)
        return {
            name: piece.view(shape)
            for piece, (name, shape) in zip(pieces, self._shapes.items(), strict=True)
        }
