"""BEGAN: an autoencoder as discriminator, in balance (Berthelot et al. 2017, arXiv:1703.10717)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganzoo.api import Context, DiscriminatorSpec, ImageShape, LossSpec, Terms, hookimpl


class Autoencoder(nn.Module):
    """Scores images by how well it reconstructs them: minus the mean absolute difference."""

    def __init__(self, image: ImageShape, width: int) -> None:
        super().__init__()
        pixels = image.channels * image.height * image.width
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, width), nn.ELU(), nn.Linear(width, pixels)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return ``[N]``, -L(x)."""
        again: Tensor = self.body(images)
        return -(again - images.flatten(1)).abs().mean(1)


class AutoencoderDiscriminator(DiscriminatorSpec):
    """An autoencoder; its logit is minus the error."""

    use: ClassVar[str] = "zoo_autoencoder"

    width: PositiveInt = 16
    """Numbers between encoder and decoder."""

    def build(self, image: ImageShape) -> nn.Module:
        """Return the network."""
        return Autoencoder(image, self.width)


class Balance(nn.Module):
    """How much weight fakes have, k."""

    k: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("k", torch.zeros(()))


class Equilibrium(LossSpec):
    """Section 3.3: L_D = L(x) - k L(G(z)), L_G = L(G(z)), k ← k + λ (γ L(x) - L(G(z))) in [0, 1].

    k moves in the discriminator's half, with the fakes that it was shown.
    """

    use: ClassVar[str] = "zoo_began"

    gamma: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Diversity ratio γ."""
    gain: Annotated[float, Field(gt=0)] = 0.001
    """Proportional gain λ."""

    def module(self, latent_size: int, image: ImageShape) -> nn.Module:  # noqa: ARG002
        """Return k, from 0."""
        return Balance()

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'real' and 'fake'."""
        real, fake = -ctx.real_logits.mean(), -ctx.fake_logits.mean()
        k = ctx.own.k.clone()
        ctx.own.k.add_(self.gain * (self.gamma * real - fake).detach()).clamp_(0, 1)
        return {"real": real, "fake": -k * fake}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'adversarial'."""
        return {"adversarial": -ctx.fake_logits.mean()}


@hookimpl
def ganzoo_discriminators() -> list[type[DiscriminatorSpec]]:
    """Supply the discriminator."""
    return [AutoencoderDiscriminator]


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply the loss."""
    return [Equilibrium]
