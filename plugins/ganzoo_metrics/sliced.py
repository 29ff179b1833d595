"""The sliced Wasserstein distance: features seen along random lines, number by number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from ganzoo.api import Meter, MetricSpec, Reference, Scale, Seen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


class Sliced(MetricSpec):
    """Squared distance between the features of fakes and real images along random lines.

    Bonneel et al. 2015, doi:10.1007/s10851-014-0506-3, equation 11: the mean over unit vectors θ of
    W₂² between the projections θ·f, which along a line is the mean square between sorted numbers.
    It does not assume Gaussians, so it sees any difference, and needs fewer images than 'frechet'.
    """

    use: ClassVar[str] = "sliced"
    scores: ClassVar[Mapping[str, Scale]] = {"sliced": Scale(lower_is_better=True, positive=True)}

    directions: Annotated[int, Field(ge=1, le=4096)] = 256
    """Number of lines to project the features on, drawn with measure.seed."""

    def meter(self, reference: Reference) -> Meter:
        """Return a meter that keeps every image's projections."""
        return _Meter(reference, self.directions)


def unit_vectors(size: int, count: int, seed: int) -> Array:
    """Return ``[size, count]``, columns drawn evenly from the sphere."""
    import numpy as np

    drawn = np.random.default_rng(seed).standard_normal((size, count))
    found: Array = drawn / np.linalg.norm(drawn, axis=0)
    return found


def along_lines(first: Array, second: Array) -> float:
    """Return the mean over columns of W₂² between numbers ``[N, K]`` and ``[M, K]``.

    Both have their quantiles at the same places wherever one of them jumps, so that unequal counts
    are exact: ∫ (F⁻¹(u) - G⁻¹(u))² du.
    """
    import numpy as np

    first, second = np.sort(first, 0), np.sort(second, 0)
    n, m = len(first), len(second)
    if n == m:
        return float(np.square(first - second).mean())
    # In whole numbers of 1 / (n·m): u runs over all k/n and k/m.
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    lengths = np.diff(ends, prepend=0) / (n * m)
    gaps = first[(ends - 1) // m] - second[(ends - 1) // n]
    return float((lengths @ np.square(gaps)).mean())


class _Meter:
    def __init__(self, reference: Reference, directions: int) -> None:
        self.directions = directions
        self.seed = reference.seed
        self.vectors: Any = None
        self.real = [self._projected(seen) for seen in reference.real()]
        self.fake: list[Array] = []

    def add(self, seen: Seen) -> None:
        self.fake.append(self._projected(seen))

    def result(self) -> dict[str, float]:
        import numpy as np

        return {"sliced": along_lines(np.concatenate(self.real), np.concatenate(self.fake))}

    def _projected(self, seen: Seen) -> Array:
        features = seen.features.double().numpy()
        if self.vectors is None:
            self.vectors = unit_vectors(features.shape[1], self.directions, self.seed)
        found: Array = features @ self.vectors
        return found
