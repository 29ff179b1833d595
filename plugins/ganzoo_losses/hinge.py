"""The hinge game (Lim & Ye 2017, arXiv:1705.02894; Miyato et al. 2018, arXiv:1802.05957)."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import Context, LossSpec, Terms


class Hinge(LossSpec):
    """Push scores of real images above 1 and of fakes below -1, and no further.

    Miyato et al. 2018, arXiv:1802.05957, equations 16 and 17 (after Lim & Ye 2017,
    arXiv:1705.02894): the discriminator minimises E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))), the
    generator -E D(G(z)). Images beyond the margin get no gradient.
    """

    use: ClassVar[str] = "hinge"

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'real' and 'fake'."""
        return {
            "real": (1 - ctx.real_logits).relu().mean(),
            "fake": (1 + ctx.fake_logits).relu().mean(),
        }

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'adversarial'."""
        return {"adversarial": -ctx.fake_logits.mean()}
