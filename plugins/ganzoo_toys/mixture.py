"""How many Gaussians of a mixture a generator hits, and how well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import PositiveFloat

from ganzoo.api import GanzooError, Meter, MetricSpec, Reference, Scale, Seen

if TYPE_CHECKING:
    from torch import Tensor


class Mixture(MetricSpec):
    """Share of points within 3σ of a centre, centres that have such a point, and how evenly.

    Srivastava et al. 2017, arXiv:1705.07761, section 4.1. Centres and σ are those of the labelled
    real points. Of the points of a two-dimensional Gaussian itself, 1 - e^(-9/2) = 98.9 % are that
    near. The reverse KL (Lin et al. 2018, arXiv:1712.04086, section 4.1) is Σ p log(p / q) over
    centres, where p is the share of such points near each centre, and q that of real points. A
    missed centre adds nothing itself; hitting k of n equal centres evenly gives log(n / k). If no
    point is near any centre, it is the maximum, log(1 / min q).
    """

    use: ClassVar[str] = "mixture"
    scores: ClassVar[Mapping[str, Scale]] = {
        "high_quality": Scale(lower_is_better=False),
        "modes": Scale(lower_is_better=False),
        "reverse_kl": Scale(lower_is_better=True),
    }
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})

    reach: PositiveFloat = 3.0
    """Standard deviations within which a point belongs to a centre."""

    def meter(self, reference: Reference) -> Meter:
        """Return a meter that keeps one count per centre."""
        return _Meter(self.reach, *centres(reference))


def centres(reference: Reference) -> tuple[Tensor, float, Tensor]:
    """Return the mean ``[K, D]`` of each label's real points, their common σ, and their shares.

    Raises:
        GanzooError: if there are no labels.
    """
    import torch

    features, labels = [], []
    for seen in reference.real():
        if seen.labels is None:
            raise GanzooError("mixture: the dataset has no labels")
        features.append(seen.features.double())
        labels.append(seen.labels)
    points, own = torch.cat(features), torch.cat(labels)
    counts = own.bincount().clamp(min=1)
    sums = torch.zeros(len(counts), points.shape[1], dtype=torch.float64)
    means = sums.index_add_(0, own, points) / counts[:, None]
    freedom = max(1, len(points) - len(counts))
    variance = (points - means[own]).square().sum() / (freedom * points.shape[1])
    return means, float(variance.sqrt()), counts / counts.sum()


class _Meter:
    def __init__(self, reach: float, means: Tensor, sigma: float, shares: Tensor) -> None:
        import torch

        self.shares = shares.double()

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
            "reverse_kl": self._reverse_kl(),
        }

    def _reverse_kl(self) -> float:
        there = self.hits > 0
        if not bool(there.any()):
            return -float(self.shares[self.shares > 0].log().min())
        own = self.hits[there].double() / self.hits.sum()
        return max(0.0, float((own * (own / self.shares[there]).log()).sum()))
