"""The class term of ACGAN (Odena et al. 2017, arXiv:1610.09585)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ganzoo.api import Context, RegularizerSpec, Terms
from ganzoo_classic.shown import shown

if TYPE_CHECKING:
    from torch import Tensor


class AuxiliaryClassifier(RegularizerSpec):
    """Have the discriminator also say the class, and the generator make images it is said of.

    Odena et al. 2017, arXiv:1610.09585, equation 3: both sides maximise L_C = E log P(C = c | x) +
    E log P(C = c | G(c, z)). P is a softmax over what the discriminator shows as 'classes', which
    are logits: the cross-entropy takes the softmax itself, once. Only the second part depends on
    the generator.
    """

    use: ClassVar[str] = "auxiliary_classifier"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})

    learns_from_fakes: bool = True
    """Whether the discriminator's head learns from fakes too, as in the paper."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'class_real', and 'class_fake' where the head learns from fakes."""
        terms = {"class_real": self._surprise(ctx.real_out, ctx.real_labels)}
        if self.learns_from_fakes:
            terms["class_fake"] = self._surprise(ctx.fake_out, ctx.fake_labels)
        return terms

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'class'."""
        return {"class": self._surprise(ctx.fake_out, ctx.fake_labels)}

    def _surprise(self, out: Terms, labels: Tensor | None) -> Tensor:
        from torch.nn.functional import cross_entropy

        assert labels is not None  # 'needs' says so
        return self.weight * cross_entropy(shown(out, "classes", self.use), labels)
