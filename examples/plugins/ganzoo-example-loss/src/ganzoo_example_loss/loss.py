"""RaHingeGAN (Jolicoeur-Martineau 2018, arXiv:1807.00734)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import PositiveFloat

from ganzoo.api import Context, LossSpec, Terms

if TYPE_CHECKING:
    from torch import Tensor


class RelativisticHinge(LossSpec):
    """Keep real images a margin above the mean fake, and fakes a margin below the mean real one.

    Jolicoeur-Martineau 2018, arXiv:1807.00734, RaHingeGAN: the discriminator minimises
    E max(0, 1 - (D(x) - E D(G(z)))) + E max(0, 1 + (D(G(z)) - E D(x))), the generator the same with
    real images and fakes swapped.
    """

    use: ClassVar[str] = "relativistic_hinge"

    margin: PositiveFloat = 1.0
    """Distance in logits beyond which an image pulls at nothing any more."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'real' and 'fake'."""
        return {
            "real": self._short(ctx.real_logits, ctx.fake_logits.mean()),
            "fake": self._short(ctx.real_logits.mean(), ctx.fake_logits),
        }

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'real' and 'fake' with the sides swapped."""
        return {
            "fake": self._short(ctx.fake_logits, ctx.real_logits.mean()),
            "real": self._short(ctx.fake_logits.mean(), ctx.real_logits),
        }

    def _short(self, higher: Tensor, lower: Tensor) -> Tensor:
        """Return by how much 'higher' misses its margin above 'lower', on average."""
        return (self.margin - (higher - lower)).relu().mean()
