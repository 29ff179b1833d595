"""The inception score, in the classes of whatever network measures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ganzoo.api import Meter, MetricSpec, Reference, Scale, Seen


class InceptionScore(MetricSpec):
    """Whether each fake clearly belongs to a class, and all classes are present; 1 to their number.

    Salimans et al. 2016, arXiv:1606.03498, section 4: exp E KL(p(y|x) ‖ p(y)). Computed over all
    fakes at once; the usual ten parts of 5,000 give a lower value. It does not use real images, and
    can only be compared with published scores in Inception's classes: the provenance names the
    network.
    """

    use: ClassVar[str] = "inception_score"
    scores: ClassVar[Mapping[str, Scale]] = {"inception_score": Scale(lower_is_better=False)}
    needs: ClassVar[frozenset[str]] = frozenset({"classes"})

    def meter(self, reference: Reference) -> Meter:  # noqa: ARG002
        """Return a meter that keeps two sums per class."""
        return _Meter()


class _Meter:
    def __init__(self) -> None:
        self.count = 0
        self.negative_entropy = 0.0
        self.sum: object = 0.0

    def add(self, seen: Seen) -> None:
        from torch import xlogy

        assert seen.probabilities is not None
        given = seen.probabilities.double()
        self.count += len(given)
        self.negative_entropy += float(xlogy(given, given).sum())
        self.sum = self.sum + given.sum(0)  # type: ignore[operator]

    def result(self) -> dict[str, float]:
        import math

        import torch

        mean = torch.as_tensor(self.sum) / self.count
        marginal = float(torch.xlogy(mean, mean).sum())
        return {"inception_score": math.exp(self.negative_entropy / self.count - marginal)}
