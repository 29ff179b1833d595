"""A running average of the generator's weights (Karras et al. 2018, arXiv:1710.10196)."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from ganzoo.plugin.ramps import Ramp

LONG = 10_000.0
"""Half-life in steps above which an average is kept with twice its digits.

In float32 a weight does not move by less than 6e-8 of itself. A step of an average with a half-life
of 1e4 is 7e-5 of its distance from the network, one with 1e7 is 7e-8: it would stand still.
"""


class Average:
    """Follows a network: weights averaged with the given half-life, buffers copied.

    Attributes:
        network: the average.
        rest: what its weights lack, too small to be added to them; None where the half-life is
            at most ``LONG``.
    """

    def __init__(self, network: nn.Module, half_life: float | Ramp, steps: int = 1) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self._half_life = half_life
        self._steps = steps
        ends = (half_life.start, half_life.end) if isinstance(half_life, Ramp) else (half_life,)
        self._is_long = max(ends) > LONG
        self.pull = self._pull(0)
        self._own: list[Tensor] = [*self.network.parameters()]
        self._buffers = list(self.network.buffers())
        self.rest: nn.ParameterList | None = None
        self._rest: list[Tensor] = []
        if self._is_long:
            zeros = [nn.Parameter(torch.zeros_like(own), requires_grad=False) for own in self._own]
            self.rest = nn.ParameterList(zeros)
            self._rest = list(zeros)

    def _pull(self, step: int) -> float:
        now = self._half_life
        if isinstance(now, Ramp):
            now = now.at(step, self._steps)
        if self._is_long:
            return -math.expm1(-math.log(2) / now)  # 1 - 0.5 ** (1 / now) without cancellation
        return float(1 - 0.5 ** (1 / now))

    @torch.no_grad()
    def follow(self, network: nn.Module, step: int = 0) -> None:
        """Move the share of step number ``step`` of the way to ``network``."""
        if isinstance(self._half_life, Ramp):
            self.pull = self._pull(step)
        if self._is_long:
            self._follow_exactly([*network.parameters()])
        else:
            torch._foreach_lerp_(self._own, [*network.parameters()], self.pull)
        if self._buffers:
            torch._foreach_copy_(self._buffers, list(network.buffers()))

    def _follow_exactly(self, weights: list[nn.Parameter]) -> None:
        """Move the sum a + r of weight and rest, and split it again into what a holds and the rest.

        The split is Knuth's two-sum, exact for numbers of any size (The Art of Computer
        Programming 2, 4.2.2, theorem B). It takes no float64, which some devices lack.
        """
        # b = pull · (w - a - r) + r, what is to be added to a
        added = torch._foreach_sub([*weights], self._own)
        torch._foreach_sub_(added, self._rest)
        torch._foreach_mul_(added, self.pull)
        torch._foreach_add_(added, self._rest)
        # s = a + b, and its error (a - (s - b')) + (b - b') with b' = s - a
        total = torch._foreach_add(self._own, added)
        taken = torch._foreach_sub(total, self._own)
        left = torch._foreach_sub(self._own, torch._foreach_sub(total, taken))
        torch._foreach_add_(left, torch._foreach_sub(added, taken))
        torch._foreach_copy_(self._rest, left)
        torch._foreach_copy_(self._own, total)
