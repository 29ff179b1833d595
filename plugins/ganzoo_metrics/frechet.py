"""The Fréchet distance of two Gaussians with the features' means and covariances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from ganzoo.api import Meter, MetricSpec, Reference, Scale, Seen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


class Frechet(MetricSpec):
    """Fréchet distance between the features of fakes and real images, as two Gaussians.

    Heusel et al. 2017, arXiv:1706.08500, equation 6 (there squared and called FID, in Inception's
    features): ‖μ - μ'‖² + tr(Σ + Σ' - 2 (Σ Σ')^½). Its bias falls with the number of samples, so
    compare equal counts, and look at the floor.
    """

    use: ClassVar[str] = "frechet"
    scores: ClassVar[Mapping[str, Scale]] = {"frechet": Scale(lower_is_better=True, positive=True)}

    def meter(self, reference: Reference) -> Meter:
        """Return a meter that keeps two moments of the features."""
        return _Meter(reference)


class Moments:
    """Mean and unbiased covariance of features that come in batches, in float64."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: Any = 0.0
        self.scatter: Any = 0.0

    def add(self, features: Array) -> None:
        """Take in ``[N, D]``: Chan, Golub & LeVeque 1983, equations 2.1, for whole batches."""
        count = len(features)
        if not count:
            return
        mean = features.mean(0)
        centred = features - mean
        shift = mean - self.mean
        total = self.count + count
        self.scatter = self.scatter + centred.T @ centred
        self.scatter = self.scatter + (shift[:, None] * shift) * (self.count * count / total)
        self.mean = self.mean + shift * (count / total)
        self.count = total

    @property
    def covariance(self) -> Array:
        """``[D, D]``, divided by N - 1."""
        covariance: Array = self.scatter / max(1, self.count - 1)
        return covariance


def frechet(mean: Array, covariance: Array, other_mean: Array, other_covariance: Array) -> float:
    """Return the squared Fréchet distance of two Gaussians; never negative.

    The trace of the root is taken from the eigenvalues of Σ^½ Σ' Σ^½, which is symmetric, so that
    singular covariances do no harm.
    """
    import numpy as np
    from scipy.linalg import eigh, eigvalsh

    values, vectors = eigh(covariance)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    inner = root @ other_covariance @ root
    cross = np.sqrt(eigvalsh((inner + inner.T) / 2).clip(0)).sum()
    shift = mean - other_mean
    found = shift @ shift + np.trace(covariance) + np.trace(other_covariance) - 2 * cross
    return max(0.0, float(found))


class _Meter:
    def __init__(self, reference: Reference) -> None:
        self.real = Moments()
        self.fake = Moments()
        for seen in reference.real():
            self.real.add(seen.features.double().numpy())

    def add(self, seen: Seen) -> None:
        self.fake.add(seen.features.double().numpy())

    def result(self) -> dict[str, float]:
        real, fake = self.real, self.fake
        return {"frechet": frechet(real.mean, real.covariance, fake.mean, fake.covariance)}
