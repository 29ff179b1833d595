"""Relativistic games: real against fake, not each against zero (arXiv:1807.00734)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ganzoo.api import Context, GanzooError, LossSpec, Terms

if TYPE_CHECKING:
    from torch import Tensor


class Relativistic(LossSpec):
    """Compare: does a real image look more real than a fake?

    Jolicoeur-Martineau 2018, arXiv:1807.00734. With pairing 'paired' (its RSGAN; RpGAN in R3GAN,
    Huang et al. 2024, arXiv:2501.05441, equation 2) real image i meets fake image i: the
    discriminator minimises -E log σ(D(xᵢ) - D(G(zᵢ))), the generator -E log σ(D(G(zᵢ)) - D(xᵢ)).
    With 'average' (its RaSGAN) each image meets the batch mean of the other side; the two halves
    are summed as in the paper, where ports often take their mean.
    """

    use: ClassVar[str] = "relativistic"

    pairing: Literal["paired", "average"] = "paired"
    """Compare pairs of images, or each image with the mean score of the other side."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'pairs', or 'real' and 'fake' with pairing 'average'.

        Raises:
            GanzooError: if real and fake images that should be paired differ in number.
        """
        if self.pairing == "paired":
            real, fake = _paired(ctx.real_logits, ctx.fake_logits)
            return {"pairs": _lag(real, fake)}
        real, fake = ctx.real_logits, ctx.fake_logits
        return {"real": _lag(real, fake.mean()), "fake": _lag(real.mean(), fake)}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'adversarial': the discriminator's terms with the sides swapped, summed.

        Raises:
            GanzooError: if real and fake images that should be paired differ in number.
        """
        if self.pairing == "paired":
            real, fake = _paired(ctx.real_logits, ctx.fake_logits)
            return {"adversarial": _lag(fake, real)}
        real, fake = ctx.real_logits, ctx.fake_logits
        return {"adversarial": _lag(fake.mean(), real) + _lag(fake, real.mean())}


def _paired(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two, sure that they pair up: broadcasting would hide a single straggler."""
    if real.shape != fake.shape:
        raise GanzooError(
            f"relativistic: {len(real)} real and {len(fake)} fake images cannot be paired; draw as "
            "many fakes as there are real images, or use pairing = 'average'"
        )
    return real, fake


def _lag(higher: Tensor, lower: Tensor) -> Tensor:
    """Return -E log σ(higher - lower): small where ``higher`` is well above ``lower``."""
    from torch.nn.functional import logsigmoid

    return -logsigmoid(higher - lower).mean()
