"""LeCam regularization, for little data (Tseng et al. 2021, arXiv:2104.03310)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from ganzoo.api import Context, ImageShape, MovingNonNegative, RegularizerSpec, Terms

if TYPE_CHECKING:
    from torch import nn


class LeCam(RegularizerSpec):
    """LeCam: pull logits of real images and of fakes to the running mean of the other.

    Tseng et al. 2021, arXiv:2104.03310, equation 4: E (D(x) - α_F)² + E (D(G(z)) - α_R)², where α_R
    and α_F are exponential running means of the logits of real images and of fakes from previous
    steps, corrected for their start at 0; at the first step they are 0. The authors' code only
    counts logits on the far side of the other's mean, like ``one_sided``. A weight that starts
    later is a ramp: ``{ start = 0.0, end = 0.3, begin = 999, until = 1000 }``.
    """

    use: ClassVar[str] = "lecam"
    logged: ClassVar[tuple[str, ...]] = ("real", "fake")

    weight: MovingNonNegative = 0.3
    """Factor λ of the penalty."""
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay of the running means per step."""
    one_sided: bool = False
    """Whether to penalise only real logits above α_F and fake logits below α_R."""

    def module(self, latent_size: int, image: ImageShape) -> nn.Module:  # noqa: ARG002
        """Return the running means."""
        from ganzoo_classic.remembered import Remembered

        return Remembered("real", "fake", "updates")

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'lecam'."""
        real, fake, own = ctx.real_logits, ctx.fake_logits, ctx.own
        to_fake, to_real = real - own.value("fake"), own.value("real") - fake
        if self.one_sided:
            to_fake, to_real = to_fake.relu(), to_real.relu()
        value = to_fake.square().mean() + to_real.square().mean()
        own.updates.add_(1)
        # (1 - d) Σ d^(n-k) x_k / (1 - d^n), written as a step from the mean before.
        share = (1 - self.decay) / (1 - self.decay**own.updates)
        for mean, logits in ((own.real, real), (own.fake, fake)):
            mean.lerp_(logits.detach().mean().to(mean), share)
        return {self.use: self.weight * value}
