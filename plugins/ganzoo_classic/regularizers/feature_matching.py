"""Feature matching (Salimans et al. 2016, arXiv:1606.03498)."""

from __future__ import annotations

from typing import ClassVar, Literal

from ganzoo.api import Context, RegularizerSpec, Terms
from ganzoo_classic.shown import shown


class FeatureMatching(RegularizerSpec):
    """Match the mean features of fakes and real images.

    Salimans et al. 2016, arXiv:1606.03498, section 3.1: ‖E f(x) - E f(G(z))‖²₂, where f is what the
    discriminator returns as 'features'; with norm 'l1' the mean absolute difference, as in MHGAN.
    Only for the generator.
    """

    use: ClassVar[str] = "feature_matching"

    norm: Literal["l2", "l1"] = "l2"
    """Squared length of the difference, or the mean of its absolute values."""

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'feature_matching'."""
        real = shown(ctx.real_out, "features", self.use).detach()
        apart = real.mean(0) - shown(ctx.fake_out, "features", self.use).mean(0)
        value = apart.square().sum() if self.norm == "l2" else apart.abs().mean()
        return {self.use: self.weight * value}
