"""Unrolled GAN: the generator looks k steps ahead (Metz et al. 2017, arXiv:1611.02163)."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import logsigmoid, softplus

from ganzoo.api import Context, LossSpec, Terms, hookimpl


def game(real: Tensor, fake: Tensor) -> Tensor:
    """Return what the discriminator minimises."""
    return softplus(-real).mean() + softplus(fake).mean()


class Unrolled(LossSpec):
    """The generator is judged by the discriminator that k more steps would make, equations 7 to 9.

    The steps are plain gradient descent on the same batch, and gradients flow through them. The
    discriminator itself stays as it is: its weights and buffers are copied.
    """

    use: ClassVar[str] = "zoo_unrolled"

    ahead: PositiveInt = 2
    """Steps k of the discriminator that are looked ahead."""
    rate: PositiveFloat = 0.1
    """Learning rate η of these steps."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'game'."""
        return {"game": game(ctx.real_logits, ctx.fake_logits)}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'adversarial'."""
        network = ctx.discriminator
        weights = {
            name: each.detach().clone().requires_grad_()
            for name, each in network.named_parameters()
        }
        kept = {name: each.clone() for name, each in network.named_buffers()}

        def score(images: Tensor) -> Tensor:
            logits: Tensor = functional_call(network, {**weights, **kept}, (images,))
            return logits

        for _ in range(self.ahead):
            slopes = torch.autograd.grad(
                game(score(ctx.real), score(ctx.fake)), [*weights.values()], create_graph=True
            )
            weights = {
                name: each - self.rate * slope
                for (name, each), slope in zip(weights.items(), slopes, strict=True)
            }
        return {"adversarial": -logsigmoid(score(ctx.fake)).mean()}


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply the loss."""
    return [Unrolled]
