"""Class terms: ACGAN (arXiv:1610.09585), and ADCGAN that tells real classes from fake ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ganzoo.api import Context, RegularizerSpec, Terms
from ganzoo_classic.shown import shown

if TYPE_CHECKING:
    from torch import Tensor


class AuxiliaryClassifier(RegularizerSpec):
    """ACGAN: both sides also minimise the error of a classifier in the discriminator.

    Odena et al. 2017, arXiv:1610.09585, equation 3: both sides maximise L_C = E log P(C = c | x) +
    E log P(C = c | G(c, z)). P is the softmax of the logits that the discriminator returns as
    'classes'. Only the second part depends on the generator.

    With form 'adc' (Hou et al. 2022, arXiv:2107.10060) the head has 2K classes, each real and each
    fake: the discriminator maximises E log P(real c | x) + E log P(fake c | G(c, z)), the generator
    E log P(real c | G(c, z)) - E log P(fake c | G(c, z)). Unlike in ACGAN, images that are easy to
    classify are then no advantage by themselves.
    """

    use: ClassVar[str] = "auxiliary_classifier"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})

    form: Literal["ac", "adc"] = "ac"
    """One class for real images and fakes, or one for each; 'adc' needs discriminator.labels = \
'real_fake_classes'."""
    learns_from_fakes: bool = True
    """Whether the discriminator's head is also trained on fakes, as in both papers."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'class_real', and 'class_fake' where the head learns from fakes."""
        terms = {"class_real": self._surprise(ctx.real_out, ctx.real_labels)}
        if self.learns_from_fakes:
            terms["class_fake"] = self._surprise(
                ctx.fake_out, ctx.fake_labels, fake=self.form == "adc"
            )
        return terms

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'class', and 'not_class' of form 'adc'."""
        terms = {"class": self._surprise(ctx.fake_out, ctx.fake_labels)}
        if self.form == "adc":
            terms["not_class"] = -self._surprise(ctx.fake_out, ctx.fake_labels, fake=True)
        return terms

    def _surprise(self, out: Terms, labels: Tensor | None, *, fake: bool = False) -> Tensor:
        """Return the cross-entropy; ``fake`` means the second K of form 'adc'."""
        from torch.nn.functional import cross_entropy

        assert labels is not None  # 'needs' says so
        found = shown(out, "classes" if self.form == "ac" else "real_fake_classes", self.use)
        return self.weight * cross_entropy(found, labels + fake * (found.shape[1] // 2))
