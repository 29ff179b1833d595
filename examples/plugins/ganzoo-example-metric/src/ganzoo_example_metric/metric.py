"""How sharp fakes are beside real images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from ganzoo.api import Meter, MetricSpec, Reference, Scale, Seen

if TYPE_CHECKING:
    from torch import Tensor


class EdgeGap(MetricSpec):
    """Difference between the mean edge strengths of fakes and real images, in grey levels.

    Edge strength is the mean absolute difference of neighbouring pixels, across and down; blurred
    fakes have less of it, noisy ones more.
    """

    use: ClassVar[str] = "edge_gap"
    scores: ClassVar[Mapping[str, Scale]] = {"edge_gap": Scale(lower_is_better=True, positive=True)}

    def meter(self, reference: Reference) -> Meter:
        """Return a meter that keeps a sum."""
        return _Meter(reference)


def edges(images: Tensor) -> Tensor:
    """Return the edge strength of each of ``[N, C, H, W]``: ``[N]``."""
    pixels = images.double()
    across = (pixels[..., 1:] - pixels[..., :-1]).abs().flatten(1).mean(1)
    down = (pixels[..., 1:, :] - pixels[..., :-1, :]).abs().flatten(1).mean(1)
    return (across + down) / 2


class _Meter:
    def __init__(self, reference: Reference) -> None:
        self.real, self.real_count = 0.0, 0
        for seen in reference.real():
            self.real += float(edges(seen.images).sum())
            self.real_count += len(seen)
        self.fake, self.fake_count = 0.0, 0

    def add(self, seen: Seen) -> None:
        self.fake += float(edges(seen.images).sum())
        self.fake_count += len(seen)

    def result(self) -> dict[str, float]:
        return {"edge_gap": abs(self.fake / self.fake_count - self.real / self.real_count)}
