"""How much the images of a batch differ from each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from ganzoo.api import Meter, MetricSpec, Reference, Scale, Seen

if TYPE_CHECKING:
    from torch import Tensor


class Diversity(MetricSpec):
    """Mean distance between two fakes divided by that between two real images, in features.

    0 if all fakes are the same, 1 if they differ as much as real images do.
    """

    use: ClassVar[str] = "diversity"
    scores: ClassVar[Mapping[str, Scale]] = {"diversity": Scale(lower_is_better=False)}

    batch: Annotated[int, Field(ge=2, le=1000)] = 50
    """Images per batch, among which all pairs are compared."""

    def meter(self, reference: Reference) -> Meter:
        """Return a meter that keeps a sum."""
        return _Meter(self.batch, reference)


class _Spread:
    """The mean distance of pairs within batches."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.sum = 0.0
        self.pairs = 0

    def add(self, features: Tensor) -> None:
        import torch
        from torch.nn.functional import pdist

        for part in torch.split(features.double(), self.batch):
            if len(part) > 1:
                found = pdist(part)
                self.sum += float(found.sum())
                self.pairs += len(found)

    @property
    def mean(self) -> float:
        return self.sum / max(1, self.pairs)


class _Meter:
    def __init__(self, batch: int, reference: Reference) -> None:
        self.real, self.fake = _Spread(batch), _Spread(batch)
        for seen in reference.real():
            self.real.add(seen.features)

    def add(self, seen: Seen) -> None:
        self.fake.add(seen.features)

    def result(self) -> dict[str, float]:
        return {"diversity": self.fake.mean / self.real.mean if self.real.mean else float("nan")}
