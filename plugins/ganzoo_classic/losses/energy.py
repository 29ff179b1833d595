"""EBGAN: low energy for real images, at least a margin for fakes (Zhao et al. 2017)."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import Context, LossSpec, MovingPositive, Terms


class Energy(LossSpec):
    """EBGAN: give real images a low energy, and fakes at least the margin.

    Zhao et al. 2017, arXiv:1609.03126, equations 1 and 2: with the energy E = -logit, such as an
    autoencoder's error, the discriminator minimises E(x) + max(0, m - E(G(z))), and the generator
    E(G(z)), through the whole autoencoder: neither image nor reconstruction is detached. The margin
    is in units of the energy: if the error is a mean over pixels, use a margin well below 1.
    """

    use: ClassVar[str] = "energy"

    margin: MovingPositive = 1.0
    """Margin m: the discriminator ignores fakes with a higher energy."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'real' and 'fake'."""
        return {
            "real": -ctx.real_logits.mean(),
            "fake": (self.margin + ctx.fake_logits).relu().mean(),
        }

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'adversarial'."""
        return {"adversarial": -ctx.fake_logits.mean()}
