"""The penalty of DRAGAN (Kodali et al. 2017, arXiv:1705.07215)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import NonNegativeFloat

from ganzoo.api import Context, MovingNonNegative, RegularizerSpec, Terms
from ganzoo_regularizers.slope import distance_from, slopes


class Dragan(RegularizerSpec):
    """DRAGAN: keep the discriminator's slope at the target near real images.

    Kodali et al. 2017, arXiv:1705.07215: λ E (‖∇D(x + δ)‖₂ - k)². The noise is that of the authors'
    code, not the normal noise of the paper: δ = ε · c · s · u, with s the standard deviation of the
    batch, u uniform in [0, 1) for each pixel, and one uniform ε for each image. With a view,
    neighbourhood and slope are those of what the view shows.
    """

    use: ClassVar[str] = "dragan"
    second_order: ClassVar[bool] = True

    weight: MovingNonNegative = 10.0
    """Factor of the penalty, λ in the paper."""
    target: NonNegativeFloat = 1.0
    """Target slope of the discriminator, k in the paper."""
    spread: NonNegativeFloat = 0.5
    """Largest noise, in standard deviations of the batch, c in the paper."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'dragan'."""
        reach = ctx.uniform(len(ctx.real), 1, 1, 1) * self.spread * ctx.real.std()
        near = ctx.real + reach * ctx.uniform(*ctx.real.shape)
        penalty = distance_from(self.target, slopes(ctx, near), one_sided=False)
        return {self.use: self.weight * penalty}
