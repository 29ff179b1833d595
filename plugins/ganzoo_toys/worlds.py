"""Datasets of points: Gaussians on a ring, Gaussians on a grid, and a single point."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, NonNegativeInt, PositiveFloat

from ganzoo.api import DataRoot, DatasetSpec, ImageData, Split, fingerprint

if TYPE_CHECKING:
    from torch import Tensor

Count = Annotated[int, Field(ge=1, le=10_000_000)]


class _World(DatasetSpec):
    """Points drawn around centres; the label of a point is its centre's number."""

    count: Count = 50_000
    """Number of points; a fifth as many again for testing."""
    seed: NonNegativeInt = 0
    """Seed of the points, independent of the run's seed."""

    def centres(self) -> list[tuple[float, ...]]:
        """Return the coordinates of the centres."""
        raise NotImplementedError

    def spread(self) -> float:
        """Return the standard deviation around a centre, in each direction."""
        raise NotImplementedError

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:  # noqa: ARG002
        """Return ``[N, D, 1, 1]`` float32 points and the numbers of their centres."""
        import torch

        count = self.count if split == "train" else max(1, self.count // 5)
        centres = torch.tensor(self.centres())
        generator = torch.Generator().manual_seed(2 * self.seed + (split == "test"))
        labels = torch.randint(len(centres), (count,), generator=generator)
        noise = torch.randn(count, centres.shape[1], generator=generator)
        points = centres[labels] + self.spread() * noise
        return ImageData(
            images=points[:, :, None, None],
            labels=labels,
            classes=tuple(str(number) for number in range(len(centres))),
            source=f"{self.use} {split}: drawn",
            fingerprint=fingerprint(self.use, split, _bytes(points)),
        )


def _bytes(points: Tensor) -> bytes:
    return points.contiguous().numpy().tobytes()


class Ring(_World):
    """Gaussians on a circle: eight, with σ = 0.01 and radius 1.

    Srivastava et al. 2017, arXiv:1705.07761, section 4.1.
    """

    use: ClassVar[str] = "ring"

    modes: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Number of Gaussians."""
    radius: PositiveFloat = 1.0
    """Radius of the circle of their centres."""
    sigma: PositiveFloat = 0.01
    """Standard deviation of each Gaussian, in each direction."""

    def centres(self) -> list[tuple[float, ...]]:
        """Return points at equal angles, the first on the right."""
        turns = [2 * math.pi * number / self.modes for number in range(self.modes)]
        return [(self.radius * math.cos(turn), self.radius * math.sin(turn)) for turn in turns]

    def spread(self) -> float:
        """Return σ."""
        return self.sigma


class Grid(_World):
    """Gaussians on a square grid: 5×5, with σ = 0.05 and distance 2.

    Lin et al. 2018, arXiv:1712.04086, section 4.1: centres (-4 + 2i, -4 + 2j).
    """

    use: ClassVar[str] = "grid"

    side: Annotated[int, Field(ge=1, le=100)] = 5
    """Number of Gaussians along each side."""
    distance: PositiveFloat = 2.0
    """Distance between neighbouring centres."""
    sigma: PositiveFloat = 0.05
    """Standard deviation of each Gaussian, in each direction."""

    def centres(self) -> list[tuple[float, ...]]:
        """Return the grid's points, row by row, around the origin."""
        half = (self.side - 1) / 2
        steps = [(number - half) * self.distance for number in range(self.side)]
        return [(x, y) for y in steps for x in steps]

    def spread(self) -> float:
        """Return σ."""
        return self.sigma


class Dirac(_World):
    """A single point at the origin of a line: the simplest GAN that may not converge.

    Mescheder et al. 2018, arXiv:1801.04406, section 2.2, definition 2.1. Use it with the generator
    'offset' and the discriminator 'linear'.
    """

    use: ClassVar[str] = "dirac"
    count: Count = 1000
    """Number of points, all at the origin; a fifth as many again for testing."""

    def centres(self) -> list[tuple[float, ...]]:
        """Return the origin."""
        return [(0.0,)]

    def spread(self) -> float:
        """Return 0."""
        return 0.0
