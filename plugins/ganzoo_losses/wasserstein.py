"""The Wasserstein game (Arjovsky et al. 2017, arXiv:1701.07875)."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import Context, LossSpec, Terms


class Wasserstein(LossSpec):
    """Drive the mean scores of real and fake images apart.

    Arjovsky et al. 2017, arXiv:1701.07875, equation 2 and algorithm 1: the critic minimises E
    D(G(z)) - E D(x), the generator minimises -E D(G(z)). It is a distance only if the critic is
    Lipschitz: add 'weight_clip' or 'gradient_penalty'. The estimate of the distance is -(real +
    fake), the critic's two logged terms.
    """

    use: ClassVar[str] = "wasserstein"

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'real', the negated mean score of real images, and 'fake', that of fakes."""
        return {"real": -ctx.real_logits.mean(), "fake": ctx.fake_logits.mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'adversarial', the negated mean score of fakes."""
        return {"adversarial": -ctx.fake_logits.mean()}
