"""The gradient penalty of WGAN-GP (Gulrajani et al. 2017, arXiv:1704.00028)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import NonNegativeFloat

from ganzoo.api import Context, GanzooError, MovingNonNegative, RegularizerSpec, Terms
from ganzoo_regularizers.slope import distance_from, slopes


class GradientPenalty(RegularizerSpec):
    """WGAN-GP: keep the critic's slope at the target on lines between real images and fakes.

    Gulrajani et al. 2017, arXiv:1704.00028, equation 3: λ E (‖∇D(x̂)‖₂ - 1)², x̂ = εx + (1 - ε)G(z)
    with one ε, uniform in [0, 1), for each pair. The norm is over all channels and pixels of one
    image. With a view, lines and slope are between what the view shows, because these are the two
    distributions that the critic distinguishes. If the critic's score of one image depends on the
    others (batch norm), this slope is not defined; the paper uses no norm.
    """

    use: ClassVar[str] = "gradient_penalty"
    second_order: ClassVar[bool] = True

    weight: MovingNonNegative = 10.0
    """Factor of the penalty, λ in the paper."""
    target: NonNegativeFloat = 1.0
    """Target slope of the critic."""
    one_sided: bool = False
    """Whether to penalise only slopes above the target (section 4, 'two-sided penalty')."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'gradient_penalty'.

        Raises:
            GanzooError: if real and fake images differ in shape or number.
        """
        if ctx.real.shape != ctx.fake.shape:
            raise GanzooError(
                f"gradient_penalty: real images are {list(ctx.real.shape)}, fakes "
                f"{list(ctx.fake.shape)}; it needs as many fakes as real images, of one shape"
            )
        epsilon = ctx.uniform(len(ctx.real), 1, 1, 1)
        between = epsilon * ctx.real + (1 - epsilon) * ctx.fake
        penalty = distance_from(self.target, slopes(ctx, between), self.one_sided)
        return {self.use: self.weight * penalty}
