"""The least-squares game (Mao et al. 2017, arXiv:1611.04076)."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import Context, LossSpec, Terms


class LeastSquares(LossSpec):
    """Pull scores of real images to one number and of fakes to another.

    Mao et al. 2017, arXiv:1611.04076, equation 2: the discriminator minimises
    ½ E (D(x) - b)² + ½ E (D(G(z)) - a)², the generator ½ E (D(G(z)) - c)². The defaults are the
    paper's 0-1 coding (equation 9); a = -1, b = 1, c = 0 gives the Pearson χ² of equation 8.
    """

    use: ClassVar[str] = "least_squares"

    fake_target: float = 0.0
    """Score the discriminator wants for fakes, a in the paper."""
    real_target: float = 1.0
    """Score the discriminator wants for real images, b in the paper."""
    generator_target: float = 1.0
    """Score the generator wants for fakes, c in the paper."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'real' and 'fake'."""
        return {
            "real": (ctx.real_logits - self.real_target).square().mean() / 2,
            "fake": (ctx.fake_logits - self.fake_target).square().mean() / 2,
        }

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'adversarial'."""
        return {"adversarial": (ctx.fake_logits - self.generator_target).square().mean() / 2}
