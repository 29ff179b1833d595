"""RMSprop with ε inside the root, which torch does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_optimizers.eager import Eager


class RootEpsilonRMSprop(Eager):
    """RMSprop that divides by √(v + ε), as Keras 3 does.

    The learning rate is outside the momentum's memory, as in ``torch.optim.RMSprop``; Keras has it
    inside. The two agree while the rate is constant.

    Args:
        parameters: what is moved.
        lr: learning rate.
        alpha: memory of v, the mean square of the gradient.
        eps: ε.
        momentum: share of the last step that is kept.
        centered: subtract the squared mean of the gradient from v.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        alpha: float,
        eps: float,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "momentum": momentum,
            "centered": centered,
        }
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Move every parameter that has a gradient; return the closure's loss if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)
        return loss

    def _move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["square_avg"] = torch.zeros_like(parameter)
            if group["momentum"]:
                state["momentum_buffer"] = torch.zeros_like(parameter)
            if group["centered"]:
                state["grad_avg"] = torch.zeros_like(parameter)

        square = state["square_avg"]
        square.mul_(group["alpha"]).addcmul_(gradient, gradient, value=1 - group["alpha"])
        spread = square
        if group["centered"]:
            mean = state["grad_avg"]
            mean.lerp_(gradient, 1 - group["alpha"])
            # A variance; rounding can leave it just below zero, which has no root.
            spread = square.addcmul(mean, mean, value=-1).clamp_(min=0)
        change = gradient / (spread + group["eps"]).sqrt_()

        if group["momentum"]:
            change = state["momentum_buffer"].mul_(group["momentum"]).add_(change)
        parameter.sub_(change, alpha=group["lr"])
