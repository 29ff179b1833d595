"""BEGAN: two autoencoder losses in balance (Berthelot et al. 2017, arXiv:1703.10717)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from ganzoo.api import Context, ImageShape, LossSpec, OrRamp, Terms

if TYPE_CHECKING:
    from torch import nn


class BoundaryEquilibrium(LossSpec):
    """Reconstruct real images, and fakes badly, as far as both stay in balance.

    Berthelot et al. 2017, arXiv:1703.10717, section 3.4: with L(x) the error of an autoencoder,
    here minus the logit (``discriminator.use = "autoencoder"``), the discriminator minimises L(x) -
    k L(G(z)), the generator L(G(z)), and k moves by λ (γ L(x) - L(G(z))) within [0, 1], from 0.

    k moves in the discriminator's half, with the fakes that it was shown, and counts from the next
    update on; the paper moves it with the generator's new fakes of the same weights. The measure
    M = L(x) + |γ L(x) - L(G(z))| (section 3.4.1) tells how far the run has come: k and M are in the
    log and in checkpoints.
    """

    use: ClassVar[str] = "boundary_equilibrium"
    logged: ClassVar[tuple[str, ...]] = ("k", "convergence")

    gamma: Annotated[float, Field(gt=0, le=1), OrRamp] = 0.5
    """Diversity ratio γ: the share of L(x) that L(G(z)) is held at; 0.5 to 0.75, less for sharper \
and fewer kinds of images."""
    gain: Annotated[float, Field(gt=0, le=1)] = 0.001
    """Proportional gain λ of k."""

    def module(self, latent_size: int, image: ImageShape) -> nn.Module:  # noqa: ARG002
        """Return k, and M of the last step."""
        from ganzoo_classic.remembered import Remembered

        return Remembered("k", "convergence")

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'real' and 'fake', and move k."""
        own = ctx.own
        real, fake = -ctx.real_logits.mean(), -ctx.fake_logits.mean()
        k = own.value("k")
        ahead = (self.gamma * real - fake).detach().to(own.k)
        own.k.add_(self.gain * ahead).clamp_(0, 1)
        own.convergence.copy_(real.detach() + ahead.abs())
        return {"real": real, "fake": -k * fake}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'adversarial'."""
        return {"adversarial": -ctx.fake_logits.mean()}
