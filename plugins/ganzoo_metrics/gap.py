"""Whether the discriminator knows its training images by heart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ganzoo.api import Meter, MetricSpec, Reference, Scale, Seen


class DiscriminatorGap(MetricSpec):
    """Mean logit of training images minus that of test images, in the former's standard deviations.

    0 if the discriminator treats both alike. It grows as the discriminator overfits, long before
    the fakes show it (Karras et al. 2020, arXiv:2006.06676, figure 1).
    """

    use: ClassVar[str] = "discriminator_gap"
    scores: ClassVar[Mapping[str, Scale]] = {"discriminator_gap": Scale(lower_is_better=True)}
    needs: ClassVar[frozenset[str]] = frozenset({"test", "discriminator"})
    has_floor: ClassVar[bool] = False

    def meter(self, reference: Reference) -> Meter:
        """Return a meter that looks at no fakes."""
        return _Meter(reference)

    def perfect(self, reference: Reference) -> Mapping[str, float]:  # noqa: ARG002
        """Return the gap of a discriminator that does not overfit."""
        return {"discriminator_gap": 0.0}


class _Meter:
    def __init__(self, reference: Reference) -> None:
        self.reference = reference

    def add(self, seen: Seen) -> None:
        """Fakes do not matter here."""

    def result(self) -> dict[str, float]:
        import torch

        known = torch.cat([self.reference.critic(one.images) for one in self.reference.real()])
        unseen = torch.cat([self.reference.critic(one.images) for one in self.reference.unseen()])
        known, unseen = known.double(), unseen.double()
        gap = float(known.mean() - unseen.mean()) / max(float(known.std()), 1e-12)
        return {"discriminator_gap": gap}
