"""BEGAN: two autoencoder losses in balance (Berthelot et al. 2017, arXiv:1703.10717)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from ganzoo.api import Context, ImageShape, LossSpec, OrRamp, Terms

if TYPE_CHECKING:
    from torch import nn


class BoundaryEquilibrium(LossSpec):
    """BEGAN: reconstruct real images well and fakes badly, in a controlled balance.

    Berthelot et al. 2017, arXiv:1703.10717, section 3.4: with L(x) the error of an autoencoder,
    here minus the logit (``discriminator.use = "autoencoder"``), the discriminator minimises L(x) -
    k L(G(z)), and the generator L(G(z)). k starts at 0 and changes by λ (γ L(x) - L(G(z))) within
    [0, 1].

    k is updated in the discriminator's half, with the fakes that it saw, and used from the next
    update on; the paper updates it with new fakes of the same generator. The measure M = L(x) + |γ
    L(x) - L(G(z))| (section 3.4.1) shows convergence. k and M are in the log and in checkpoints.
    """

    use: ClassVar[str] = "boundary_equilibrium"
    logged: ClassVar[tuple[str, ...]] = ("k", "convergence")

    gamma: Annotated[float, Field(gt=0, le=1), OrRamp] = 0.5
    """Diversity ratio γ: L(G(z)) is kept at this share of L(x). Typically 0.5 to 0.75; lower \
values give sharper images with less variety."""
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
