"""How near translated images come to those they should be: PSNR, SSIM, mean absolute error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from ganzoo.api import Meter, MetricSpec, Reference, Scale, Seen

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 256
SPREAD, REACH = 1.5, 5
"""Of the window: σ, and pixels to each side."""
STEADY = 0.01**2, 0.03**2
"""What keeps quotients of nothing by nothing at 1, with pixels in [0, 1]."""


class Pairs(MetricSpec):
    """PSNR, SSIM and mean absolute error between images and their targets, with pixels in [0, 1].

    Computed for each image, then averaged. SSIM: Wang et al. 2004, IEEE TIP 13(4), with a Gaussian
    window of σ = 1.5 and 11×11 pixels, inside the image, constants 0.01² and 0.03², and the mean
    over channels. For the floor, the mean of the targets takes the place of every image.
    """

    use: ClassVar[str] = "pairs"
    scores: ClassVar[Mapping[str, Scale]] = {
        "psnr": Scale(lower_is_better=False),
        "ssim": Scale(lower_is_better=False),
        "mae": Scale(lower_is_better=True, positive=True),
    }
    needs: ClassVar[frozenset[str]] = frozenset({"pairs"})
    has_floor: ClassVar[bool] = False

    def meter(self, reference: Reference) -> Meter:  # noqa: ARG002
        """Return a new meter."""
        return _Meter()

    def real_scores(self, reference: Reference) -> Mapping[str, float]:
        """Return what the mean of the real images scores against each of them."""
        sums = [(seen.images.double().sum(0), len(seen.images)) for seen in reference.real()]
        mean = sum(each for each, _ in sums) / sum(count for _, count in sums) / 255
        assert not isinstance(mean, float)
        meter = _Meter()
        for seen in reference.real():
            meter.compare(mean.expand(len(seen.images), -1, -1, -1), seen.images.double() / 255)
        return meter.result()


class _Meter:
    def __init__(self) -> None:
        self.sums = dict.fromkeys(Pairs.scores, 0.0)
        self.count = 0

    def add(self, seen: Seen) -> None:
        assert seen.targets is not None
        for images, targets in in_batches(seen.images, seen.targets):
            self.compare(images.double() / 255, targets.double() / 255)

    def compare(self, images: Tensor, targets: Tensor) -> None:
        """Take in ``[N, C, H, W]`` in [0, 1]."""
        self.sums["psnr"] += float(psnr(images, targets).sum())
        self.sums["ssim"] += float(ssim(images, targets).sum())
        self.sums["mae"] += float((images - targets).abs().flatten(1).mean(1).sum())
        self.count += len(images)

    def result(self) -> dict[str, float]:
        return {name: value / max(1, self.count) for name, value in self.sums.items()}


def in_batches(images: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield some of each at a time."""
    for start in range(0, len(images), BATCH):
        yield images[start : start + BATCH], targets[start : start + BATCH]


def psnr(images: Tensor, targets: Tensor) -> Tensor:
    """Return 10 log₁₀ 1 / MSE of each ``[N, C, H, W]`` in [0, 1]: ``[N]``; 100 where all is equal.

    That is a mean square error of 1e-10, below what bytes can differ by.
    """
    error = (images - targets).square().flatten(1).mean(1)
    found: Tensor = -10 * error.clamp(min=1e-10).log10()
    return found


def ssim(images: Tensor, targets: Tensor) -> Tensor:
    """Return the structural similarity of each ``[N, C, H, W]`` in [0, 1]: ``[N]``."""
    import torch
    from torch.nn.functional import conv2d

    count, channels, height, width = images.shape
    reach = min(REACH, (min(height, width) - 1) // 2)
    place = torch.arange(-reach, reach + 1, dtype=images.dtype)
    row = torch.exp(-place.square() / (2 * SPREAD**2))
    row = row / row.sum()

    def blurred(values: Tensor) -> Tensor:
        flat = values.reshape(count * channels, 1, height, width)
        return conv2d(conv2d(flat, row.view(1, 1, -1, 1)), row.view(1, 1, 1, -1))

    x, y = blurred(images), blurred(targets)
    xx, yy = blurred(images * images) - x * x, blurred(targets * targets) - y * y
    xy = blurred(images * targets) - x * y
    first, second = STEADY
    found = (2 * x * y + first) * (2 * xy + second)
    found = found / ((x * x + y * y + first) * (xx + yy + second))
    mean: Tensor = found.reshape(count, -1).mean(1)
    return mean
