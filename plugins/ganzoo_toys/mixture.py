"""How many Gaussians of a mixture a generator hits, and how well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import PositiveFloat

from ganzoo.api import GanzooError, Meter, MetricSpec, Reference, Scale, Seen

if TYPE_CHECKING:
    from torch import Tensor


class Mixture(MetricSpec):
    """Share of points within 3σ of a centre, and centres that have such a point.

    Srivastava et al. 2017, arXiv:1705.07761, section 4.1. Centres and σ are those of the labelled
    real points. Of a two-dimensional Gaussian's own points 1 - e^(-9/2) = 98.9 % lie that near.
    """

    use: ClassVar[str] = "mixture"
    scores: ClassVar[Mapping[str, Scale]] = {
        "high_quality": Scale(lower_is_better=False),
        "modes": Scale(lower_is_better=False),
    }
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})

    reach: PositiveFloat = 3.0
    """Standard deviations within which a point belongs to a centre."""

    def meter(self, reference: Reference) -> Meter:
        """Return a meter that keeps one count per centre."""
        return _Meter(self.reach, *centres(reference))


def centres(reference: Reference) -> tuple[Tensor, float]:
    """Return the mean ``[K, D]`` of each label's real points, and their common σ.

    Raises:
        GanzooError: if there are no labels.
    """
    import torch

    features, labels = [], []
    for seen in reference.real():
        if seen.labels is None:
            raise GanzooError("mixture: the data set has no labels")
        features.append(seen.features.double())
        labels.append(seen.labels)
    points, own = torch.cat(features), torch.cat(labels)
    counts = own.bincount().clamp(min=1)
    sums = torch.zeros(len(counts), points.shape[1], dtype=torch.float64)
    means = sums.index_add_(0, own, points) / counts[:, None]
    freedom = max(1, len(points) - len(counts))
    variance = (points - means[own]).square().sum() / (freedom * points.shape[1])
    return means, float(variance.sqrt())


class _Meter:
    def __init__(self, reach: float, means: Tensor, sigma: float) -> None:
        import torch

        self.means = means
        self.border = reach * sigma
        self.hits = torch.zeros(len(means), dtype=torch.int64)
        self.count = 0

    def add(self, seen: Seen) -> None:
        import torch

        distances = torch.cdist(seen.features.double(), self.means)
        nearest = distances.min(1)
        near = nearest.indices[nearest.values <= self.border]
        self.hits += near.bincount(minlength=len(self.means))
        self.count += len(seen)

    def result(self) -> dict[str, float]:
        return {
            "high_quality": int(self.hits.sum()) / max(1, self.count),
            "modes": float((self.hits > 0).sum()),
        }
