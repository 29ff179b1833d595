"""EBGAN: low energy for real images, at least a margin for fakes (Zhao et al. 2017)."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import Context, LossSpec, MovingPositive, Terms


class Energy(LossSpec):
    """Give real images a low energy, and fakes one of at least the margin.

    Zhao et al. 2017, arXiv:1609.03126, equations 1 and 2: with the energy E = -logit, an
    autoencoder's error say, the discriminator minimises E(x) + max(0, m - E(G(z))), the generator
    E(G(z)), through all of the autoencoder: neither image nor reconstruction is held fixed. The
    margin is in units of the energy, whatever the batch: a discriminator whose error is a mean over
    pixels takes one well below 1.
    """

    use: ClassVar[str] = "energy"

    margin: MovingPositive = 1.0
    """Energy of a fake above which the discriminator has no interest in it, m."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'real' and 'fake'."""
        return {
            "real": -ctx.real_logits.mean(),
            "fake": (self.margin + ctx.fake_logits).relu().mean(),
        }

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'adversarial'."""
        return {"adversarial": -ctx.fake_logits.mean()}
