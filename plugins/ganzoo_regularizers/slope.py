"""How steep a critic is at given images, one number for each image."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.api import Context


def slopes(ctx: Context, images: Tensor) -> Tensor:
    """Return ‖∇D‖₂ over channels and pixels together, for each of ``images``.

    Conditional critics are asked with the labels of the real images.

    Args:
        ctx: the half-step whose critic is asked.
        images: ``[N, C, H, W]``; gradients flow to the critic's weights, not into them.

    Returns:
        ``[N]``, differentiable with respect to the critic's weights; the gradient of a slope of
        exactly 0 is 0, not NaN.
    """
    import torch

    images = images.detach().requires_grad_()
    logits = ctx.critic(images, ctx.real_labels)
    # The sum gives every image its own gradient, as long as its logit is its own alone.
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    slope: Tensor = torch.linalg.vector_norm(gradient.flatten(start_dim=1), dim=1)
    return slope


def distance_from(target: float, slope: Tensor, one_sided: bool) -> Tensor:
    """Return the mean of (slope - target)², where ``one_sided`` of max(0, slope - target)²."""
    excess = slope - target
    return (excess.relu() if one_sided else excess).square().mean()
