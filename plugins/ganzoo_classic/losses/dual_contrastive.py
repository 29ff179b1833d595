"""The dual contrastive game: one real image among fakes, one fake among real (Yu et al. 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ganzoo.api import Context, LossSpec, Terms

if TYPE_CHECKING:
    from torch import Tensor


class DualContrastive(LossSpec):
    """Distinguish each real image from all fakes of the batch, and each fake from all real images.

    Yu et al. 2021, arXiv:2103.17158, section 3.1: with rᵢ the logits of real images and fⱼ those of
    fakes the discriminator minimises -E log (exp rᵢ / (exp rᵢ + Σⱼ exp fⱼ)), and the same for fakes
    with all signs reversed: -E log (exp -fⱼ / (exp -fⱼ + Σᵢ exp -rᵢ)). It looks across the batch:
    its value grows with the logarithm of the batch size. If the batch is cut into parts
    (``step.accumulate``), it only sees each part.
    """

    use: ClassVar[str] = "dual_contrastive"

    generator: Literal["swapped", "opposite"] = "swapped"
    """What the generator minimises: the same with real and fake swapped, which has the strongest \
gradient where fakes are recognised; or minus the discriminator's loss (min-max), which has hardly \
any there."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'real' and 'fake'."""
        return {
            "real": _among(ctx.real_logits, ctx.fake_logits),
            "fake": _among(-ctx.fake_logits, -ctx.real_logits),
        }

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'adversarial', both parts summed."""
        real, fake = ctx.real_logits, ctx.fake_logits
        if self.generator == "swapped":
            return {"adversarial": _among(fake, real) + _among(-real, -fake)}
        return {"adversarial": -_among(real, fake) - _among(-fake, -real)}


def _among(ones: Tensor, others: Tensor) -> Tensor:
    """Return the mean of -log (exp one / (exp one + Σ exp others)) over ``[N]`` beside ``[M]``."""
    from torch.nn.functional import softplus

    return softplus(others.logsumexp(0) - ones).mean()
