"""A running average of the generator's weights (Karras et al. 2018, arXiv:1710.10196)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ganzoo.plugin.ramps import Ramp


class Average:
    """Follows a network: weights averaged with the given half-life, buffers copied."""

    def __init__(self, network: nn.Module, half_life: float | Ramp, steps: int = 1) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self._half_life = half_life
        self._steps = steps
        self.pull = self._pull(0)
        self._own: list[Tensor] = [*self.network.parameters()]
        self._buffers = list(self.network.buffers())

    def _pull(self, step: int) -> float:
        now = self._half_life
        if isinstance(now, Ramp):
            now = now.at(step, self._steps)
        return float(1 - 0.5 ** (1 / now))

    @torch.no_grad()
    def follow(self, network: nn.Module, step: int = 0) -> None:
        """Move the share of step number ``step`` of the way to ``network``."""
        if isinstance(self._half_life, Ramp):
            self.pull = self._pull(step)
        torch._foreach_lerp_(self._own, [*network.parameters()], self.pull)
        if self._buffers:
            torch._foreach_copy_(self._buffers, list(network.buffers()))
