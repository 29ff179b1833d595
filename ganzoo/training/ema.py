"""A running average of the generator's weights (Karras et al. 2018, arXiv:1710.10196)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Average:
    """Follows a network: weights averaged with the given half-life, buffers copied."""

    def __init__(self, network: nn.Module, half_life: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.pull = 1 - 0.5 ** (1 / half_life)
        self._own: list[Tensor] = [*self.network.parameters()]
        self._buffers = list(self.network.buffers())

    @torch.no_grad()
    def follow(self, network: nn.Module) -> None:
        """Move one step's share of the way to ``network``."""
        torch._foreach_lerp_(self._own, [*network.parameters()], self.pull)
        if self._buffers:
            torch._foreach_copy_(self._buffers, list(network.buffers()))
