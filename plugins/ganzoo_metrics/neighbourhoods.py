"""Precision, recall, density and coverage: manifolds drawn as balls around their points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from ganzoo.api import GanzooError, Meter, MetricSpec, Reference, Scale, Seen

if TYPE_CHECKING:
    from torch import Tensor


class Neighbourhoods(MetricSpec):
    """Whether fakes lie among reals (precision, density), and reals among fakes (recall, coverage).

    A ball around each point reaches its k-th nearest neighbour of the same kind. Precision and
    recall: Kynkäänniemi et al. 2019, arXiv:1904.06991, equations 1 and 2, the shares of fakes in
    reals' balls and of reals in fakes' balls. Density and coverage: Naeem et al. 2020,
    arXiv:2002.09797, equations 3 and 4, how many reals' balls contain a fake, divided by k, and the
    share of reals' balls that contain one. Balls are open, as in the code of Naeem et al. for all
    four, so copies of the reals have density 1. (Those of Kynkäänniemi's code are closed; they
    differ only where distances are equal.)
    """

    use: ClassVar[str] = "neighbourhoods"
    scores: ClassVar[Mapping[str, Scale]] = {
        name: Scale(lower_is_better=False)
        for name in ("precision", "recall", "density", "coverage")
    }

    k: Annotated[int, Field(ge=1, le=100)] = 5
    """Which nearest neighbour a ball reaches; with fewer points, the farthest."""
    count: Annotated[int, Field(ge=10, le=20_000)] = 2000
    """Number of fakes, and of reals, to use: the first ones, the same number of each if there are \
enough."""

    def meter(self, reference: Reference) -> Meter:
        """Return a meter that keeps at most ``count`` features of each kind."""
        return _Meter(self, reference)


def prdc(real: Tensor, fake: Tensor, k: int) -> dict[str, float]:
    """Return the four scores of features ``[N, D]`` and ``[M, D]``.

    Raises:
        GanzooError: if there are fewer than two of a kind, whose balls would have no size.
    """
    fewest = min(len(real), len(fake))
    if fewest < 2:
        raise GanzooError(
            f"neighbourhoods: {len(real)} real and {len(fake)} fake images; a neighbour needs at "
            "least two of each"
        )
    k = min(k, fewest - 1)
    real_radius = radii(real, k)  # [N]
    fake_radius = radii(fake, k)  # [M]
    apart = distances(real, fake)  # [N, M]
    in_real = apart < real_radius[:, None]
    in_fake = apart < fake_radius[None, :]
    return {
        "precision": float(in_real.any(0).double().mean()),
        "recall": float(in_fake.any(1).double().mean()),
        "density": float(in_real.double().sum(0).mean()) / k,
        "coverage": float(in_real.any(1).double().mean()),
    }


def radii(points: Tensor, k: int) -> Tensor:
    """Return the distance ``[N]`` of each of ``[N, D]`` points to its k-th nearest other."""
    # The point itself is the nearest of all, so the k-th other one has number k + 1.
    return distances(points, points).kthvalue(k + 1, dim=1).values


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Return the Euclidean distances ``[N, M]``, without cancellation, so that equal ones are 0."""
    import torch

    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


class _Meter:
    def __init__(self, spec: Neighbourhoods, reference: Reference) -> None:
        self.k = spec.k
        self.count = min(spec.count, reference.n_real, reference.n_fake)
        self.real = _Sample(self.count)
        self.fake = _Sample(self.count)
        for seen in reference.real():
            if not self.real.add(seen.features):
                break

    def add(self, seen: Seen) -> None:
        self.fake.add(seen.features)

    def result(self) -> dict[str, float]:
        return prdc(self.real.features, self.fake.features, self.k)


class _Sample:
    """The first ``count`` features of a stream."""

    def __init__(self, count: int) -> None:
        self.wanted = count
        self.kept: list[Tensor] = []

    def add(self, features: Tensor) -> bool:
        """Keep what is still wanted; tell whether more is."""
        if self.wanted:
            self.kept.append(features[: self.wanted])
            self.wanted -= len(self.kept[-1])
        return self.wanted > 0

    @property
    def features(self) -> Tensor:
        import torch

        return torch.cat(self.kept) if self.kept else torch.zeros(0, 1)
