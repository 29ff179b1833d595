"""Batch norm over a batch that several processes share.

Means are sums over all processes, and so are their gradients, of any order: torch's own such norm
has no second derivative, which penalties on slopes need.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganzoo.training.drawing import Rows
from ganzoo.training.shards import summed
from ganzoo.training.together import Group


class _Sum(torch.autograd.Function):
    """The sum over processes. Its gradient is a sum as well, of what each makes of the sum."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return summed(list(group.gather(value.detach())))

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _Sum.apply(gradients[0], ctx.group), None


def total(value: Tensor, group: Group) -> Tensor:
    """Return the sum of everybody's ``value``, differentiable as often as it takes."""
    found: Tensor = _Sum.apply(value, group)
    return found


class WholeNorm:
    """Takes the place of ``torch.nn.functional.batch_norm`` for the part ``rows`` of a batch."""

    def __init__(self, group: Group, rows: Rows) -> None:
        self.group = group
        self.rows = rows

    def __call__(
        self,
        input: Tensor,  # noqa: A002  torch's names: it is called by them
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """Normalise ``[N, C, ...]`` by mean and variance of the whole batch (Ioffe & Szegedy 2015).

        The running variance is that of a sample, n / (n - 1) times as large, as torch's is.
        """
        if not training:
            return torch.batch_norm(
                input,
                weight,
                bias,
                running_mean,
                running_var,
                False,
                momentum,
                eps,
                torch.backends.cudnn.enabled,
            )
        places = [0, *range(2, input.ndim)]
        shape = [1, -1, *[1] * (input.ndim - 2)]
        # In float32 at least, under autocast too: sums over a batch do not fit half a float.
        exact = input.double() if input.dtype == torch.float64 else input.float()
        count = input.numel() // input.shape[1] * self.rows.whole / self.rows.count
        mean = total(exact.sum(places), self.group) / count
        centred = exact - mean.view(shape)
        variance = total(centred.square().sum(places), self.group) / count
        with torch.no_grad():
            if running_mean is not None:
                running_mean.mul_(1 - momentum).add_(mean.to(running_mean), alpha=momentum)
            if running_var is not None:
                unbiased = (variance * (count / max(count - 1, 1))).to(running_var)
                running_var.mul_(1 - momentum).add_(unbiased, alpha=momentum)
        found = centred * (variance + eps).rsqrt().view(shape)
        if weight is not None:
            found = found * weight.view(shape)
        if bias is not None:
            found = found + bias.view(shape)
        return found.to(input.dtype)
