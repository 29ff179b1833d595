"""A hinge over classes, fakes being one more (Kavalerov et al. 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ganzoo.api import Context, LossSpec, Terms
from ganzoo_classic.shown import shown

if TYPE_CHECKING:
    from torch import Tensor


class MultiHinge(LossSpec):
    """MHingeGAN: the right one of K + 1 scores (K classes and 'fake') should lead all others by 1.

    Kavalerov et al. 2021, arXiv:1912.04216, with the multi-class hinge of Crammer & Singer 2001:
    for scores s and the right position t it is max(0, 1 - sₜ + max s of the others). For the
    discriminator, the right position is the class of a real image and 'fake' for fakes; for the
    generator, it is the requested class. The K scores are what the discriminator returns as
    'classes'; 'fake' is minus its logit, so a high logit still means real. The paper adds
    'feature_matching'.
    """

    use: ClassVar[str] = "multi_hinge"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'real' and 'fake'."""
        fakes = self._scores(ctx.fake_out)
        beyond = fakes.new_full((len(fakes),), fakes.shape[1] - 1).long()
        return {
            "real": _lead(self._scores(ctx.real_out), ctx.real_labels),
            "fake": _lead(fakes, beyond),
        }

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'adversarial'."""
        return {"adversarial": _lead(self._scores(ctx.fake_out), ctx.fake_labels)}

    def _scores(self, out: Terms) -> Tensor:
        """Return ``[N, K + 1]``, 'fake' last."""
        import torch

        return torch.cat([shown(out, "classes", self.use), -out["logits"][:, None]], 1)


def _lead(scores: Tensor, places: Tensor | None) -> Tensor:
    assert places is not None  # 'needs' says so
    right = scores.gather(1, places[:, None])
    others = scores.scatter(1, places[:, None], -float("inf"))
    return (1 - right[:, 0] + others.amax(1)).relu().mean()
