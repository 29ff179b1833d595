"""LeCam regularization, for little data (Tseng et al. 2021, arXiv:2104.03310)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo.api import Context, ImageShape, MovingNonNegative, RegularizerSpec, Terms, hookimpl


class Anchors(nn.Module):
    """Running means of the logits of real images and of fakes."""

    real: Tensor
    fake: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("real", torch.zeros(()))
        self.register_buffer("fake", torch.zeros(()))


class LeCam(RegularizerSpec):
    """Pull logits of each kind to the running mean of the other.

    Equation 4: E (D(x) - α_F)² + E (D(G(z)) - α_R)², α from the steps before this one.
    """

    use: ClassVar[str] = "zoo_lecam"

    weight: MovingNonNegative = 0.3
    """Factor λ on the penalty."""
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Share of a running mean that stays in a step."""

    def module(self, latent_size: int, image: ImageShape) -> nn.Module:  # noqa: ARG002
        """Return the running means."""
        return Anchors()

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'lecam'."""
        real, fake, own = ctx.real_logits, ctx.fake_logits, ctx.own
        apart = (real - own.fake.clone()).square().mean() + (
            fake - own.real.clone()
        ).square().mean()
        own.real.lerp_(real.detach().mean(), 1 - self.decay)
        own.fake.lerp_(fake.detach().mean(), 1 - self.decay)
        return {"lecam": self.weight * apart}


@hookimpl
def ganzoo_regularizers() -> list[type[RegularizerSpec]]:
    """Supply the regularizer."""
    return [LeCam]
