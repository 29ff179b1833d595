"""torch's optimizers without what they do for compiled code.

The methods of every ``torch.optim.Optimizer`` are wrapped for ``torch.compile`` and for the
profiler. The wrappers import the compiler when the first optimizer is made, which takes longer than
importing torch itself, and cost a third of a small network's update. Nothing here is ever compiled,
so that the classes below call what is inside the wrappers; the arithmetic is torch's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor


class Eager(torch.optim.Optimizer):
    """Mixed in before one of torch's optimizers."""

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Move every parameter that has a gradient; return the closure's loss if there is one."""
        with torch.no_grad():
            return _inside(super().step)(self, closure)

    # What torch looks for before it wraps a step for the profiler.
    step.hooked = True  # type: ignore[attr-defined]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        _inside(super().zero_grad)(self, set_to_none)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take more parameters, with options of their own."""
        _inside(super().add_param_group)(self, param_group)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of every parameter and the options of every group."""
        found: dict[str, Any] = _inside(super().state_dict)(self)
        return found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state."""
        _inside(super().load_state_dict)(self, state_dict)


class EagerAdam(Eager, torch.optim.Adam):
    """``torch.optim.Adam``; on a CPU its one pass is called without torch's sorting of tensors."""

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Move every parameter that has a gradient; return the closure's loss if there is one."""
        moved = [[each for each in group["params"] if each.grad is not None]
                 for group in self.param_groups]  # fmt: skip
        if closure is not None or not all(map(self._is_ready, self.param_groups, moved)):
            return super().step(closure)
        with torch.no_grad():
            for group, parameters in zip(self.param_groups, moved, strict=True):
                self._pass_over(group, parameters)
        return None

    step.hooked = True  # type: ignore[attr-defined]

    def _is_ready(self, group: dict[str, Any], parameters: list[Tensor]) -> bool:
        """Return whether torch would call its one pass, and once, with moments that exist."""
        if not parameters or not group["fused"] or group["amsgrad"]:
            return False
        kind = parameters[0].dtype
        return all(each.is_cpu and each.dtype == kind and self.state[each] for each in parameters)

    def _pass_over(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        states = [self.state[each] for each in parameters]
        steps = [state["step"] for state in states]
        # A list of ones: a number would be made a tensor for every one of them.
        torch._foreach_add_(steps, [_one()] * len(steps))
        torch._fused_adam_(
            parameters,
            [each.grad for each in parameters if each.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            steps,
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=group["maximize"],
        )


class EagerRMSprop(Eager, torch.optim.RMSprop):
    """``torch.optim.RMSprop``."""


class EagerSGD(Eager, torch.optim.SGD):
    """``torch.optim.SGD``."""


@cache
def _one() -> Tensor:
    return torch.ones(())


def _inside(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the plain function of a bound method whose class wraps it."""
    found: Callable[..., Any] = inspect.unwrap(method.__func__)  # type: ignore[attr-defined]
    return found
