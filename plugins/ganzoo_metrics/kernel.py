"""The kernel distance: an unbiased estimate of a squared maximum mean discrepancy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from ganzoo.api import GanzooError, Meter, MetricSpec, Reference, Scale, Seen

if TYPE_CHECKING:
    from torch import Tensor


class Kernel(MetricSpec):
    """How well a cubic kernel distinguishes features of fakes and reals; 0 on average if equal.

    Bińkowski et al. 2018, arXiv:1801.01401, section 4 (there KID): the unbiased estimate of MMD²
    with k(x, y) = (x·y / D + 1)³, averaged over disjoint blocks. It is unbiased, so it may be
    negative, and only its spread depends on the number of samples.
    """

    use: ClassVar[str] = "kernel"
    scores: ClassVar[Mapping[str, Scale]] = {"kernel": Scale(lower_is_better=True)}

    block: Annotated[int, Field(ge=2, le=20_000)] = 1000
    """Fakes and real images per block."""

    def meter(self, reference: Reference) -> Meter:
        """Return a meter that keeps one block of features."""
        return _Meter(self.block, reference)


def cubic(x: Tensor, y: Tensor) -> Tensor:
    """Return (x·y / D + 1)³ of features ``[N, D]`` and ``[M, D]`` as ``[N, M]``."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def squared_discrepancy(x: Tensor, y: Tensor) -> float:
    """Return the unbiased estimate of MMD² between ``[N, D]`` and ``[M, D]``.

    Gretton et al. 2012, equation 3: means over all pairs but those of a point with itself.

    Raises:
        GanzooError: if there is no such pair.
    """
    if min(len(x), len(y)) < 2:
        raise GanzooError(
            f"kernel: {len(x)} fake and {len(y)} real images; a distance needs at least two of each"
        )
    within = 0.0
    for one in (x, y):
        kernel = cubic(one, one)
        within += float(kernel.sum() - kernel.trace()) / (len(one) * (len(one) - 1))
    return within - 2 * float(cubic(x, y).mean())


class _Meter:
    def __init__(self, block: int, reference: Reference) -> None:
        import torch

        real = torch.cat([seen.features.double() for seen in reference.real()])
        self.blocks = [one for one in torch.split(real, block) if len(one) == block] or [real]
        self.size = block
        self.waiting: list[Tensor] = []
        self.sum = 0.0
        self.count = 0
        self.used = 0

    def add(self, seen: Seen) -> None:
        import torch

        self.waiting.append(seen.features.double())
        if sum(map(len, self.waiting)) >= self.size:
            *full, rest = torch.split(torch.cat(self.waiting), self.size)
            if len(rest) == self.size:
                full, rest = [*full, rest], rest[:0]
            for one in full:
                self._compare(one)
            self.waiting = [rest.clone()] if len(rest) else []

    def _compare(self, fakes: Tensor) -> None:
        real = self.blocks[self.used % len(self.blocks)]
        self.used += 1
        self.sum += squared_discrepancy(fakes, real) * len(fakes)
        self.count += len(fakes)

    def result(self) -> dict[str, float]:
        import torch

        left = sum(map(len, self.waiting))
        # A single image that is left over has no pair; alone, it is refused.
        if left > 1 or not self.count:
            self._compare(torch.cat(self.waiting) if left else self.blocks[0][:0])
            self.waiting = []
        return {"kernel": self.sum / self.count}
