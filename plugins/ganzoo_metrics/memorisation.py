"""Whether fakes are copies: their distance to the nearest training image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from ganzoo.api import Meter, MetricSpec, Reference, Scale, Seen

if TYPE_CHECKING:
    from torch import Tensor


class Memorisation(MetricSpec):
    """Share of fakes that are nearer to a training image than nearly all held-out images are.

    The border is the distance from the training images that all but ``quantile`` of the test images
    keep, as in the test of Meehan et al. 2020, arXiv:2004.05675, which compares the same two sets
    of distances. New images score the quantile itself, copies 1, and images unlike any other 0.
    """

    use: ClassVar[str] = "memorisation"
    scores: ClassVar[Mapping[str, Scale]] = {"memorised": Scale(lower_is_better=True)}
    needs: ClassVar[frozenset[str]] = frozenset({"test"})
    has_floor: ClassVar[bool] = False

    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Share of held-out images that are nearer than the border."""
    count: Annotated[int, Field(ge=10, le=20_000)] = 500
    """Number of fakes, and of held-out images, to use."""

    def meter(self, reference: Reference) -> Meter:
        """Return a meter that keeps one distance per image."""
        return _Meter(self, reference)

    def perfect(self, reference: Reference) -> Mapping[str, float]:  # noqa: ARG002
        """Return the share that new images give."""
        return {"memorised": self.quantile}


class _Meter:
    def __init__(self, spec: Memorisation, reference: Reference) -> None:
        import torch

        self.reference = reference
        self.count = spec.count
        wanted, found = spec.count, []
        for seen in reference.unseen():
            found.append(reference.nearest(seen.images[:wanted])[0])
            wanted -= len(found[-1])
            if wanted <= 0:
                break
        self.border = float(torch.quantile(torch.cat(found).double(), spec.quantile))
        self.near = 0
        self.looked_at = 0

    def add(self, seen: Seen) -> None:
        images: Tensor = seen.images[: self.count - self.looked_at]
        if len(images):
            distances, _ = self.reference.nearest(images)
            self.near += int((distances < self.border).sum())
            self.looked_at += len(images)

    def result(self) -> dict[str, float]:
        return {"memorised": self.near / max(1, self.looked_at)}
