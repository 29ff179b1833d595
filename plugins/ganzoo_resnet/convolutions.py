"""3×3 convolutions behind enlarging and in front of halving, both in one.

Repeated numbers, and means of 2×2, are linear and act on places: so with a convolution of K×K they
are one of K + 1 with stride 2, transposed or not. A quarter of the places are convolved, and four
ninths of the products for K = 3 remain. Weights, names and results, up to rounding, are those of
the plain layer.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class EnlargedConvolution(nn.Conv2d):
    """Each number repeated 2×2, then a 3×3 convolution that keeps that size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Return ``[N, O, 2·H, 2·W]`` of ``[N, I, H, W]``."""
        kernels = moved(self.weight.flip(2, 3)).transpose(0, 1)
        return F.conv_transpose2d(input, kernels, self.bias, stride=2, padding=1)


class HalvedConvolution(nn.Conv2d):
    """A 3×3 convolution that keeps the size, then the means of 2×2 numbers.

    On a GPU, whose convolutions have other costs, the two stay apart.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Return ``[N, O, H / 2, W / 2]``, rounded down, of ``[N, I, H, W]``."""
        if input.device.type != "cpu":
            return F.avg_pool2d(super().forward(input), 2)
        return F.conv2d(input, moved(self.weight) / 4, self.bias, stride=2, padding=1)


def moved(weight: Tensor) -> Tensor:
    """Return ``[O, I, K + 1, K + 1]``: kernels ``[O, I, K, K]`` at four places, added up."""
    padded = F.pad(weight, (1, 1, 1, 1))
    rows = padded[:, :, :-1] + padded[:, :, 1:]
    found: Tensor = rows[..., :-1] + rows[..., 1:]
    return found


def plain(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 3×3 convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def halving(inputs: int, outputs: int, *, halves: bool) -> nn.Conv2d:
    """Return a 3×3 convolution, and means of 2×2 behind it where it halves."""
    return HalvedConvolution(inputs, outputs) if halves else plain(inputs, outputs)


def enlarging(inputs: int, outputs: int, mode: str) -> nn.Conv2d:
    """Return the 3×3 convolution of ``enlarged``."""
    return EnlargedConvolution(inputs, outputs) if mode == "nearest" else plain(inputs, outputs)


def enlarged(maps: Tensor, layer: nn.Conv2d, mode: str) -> Tensor:
    """Return what ``layer``, of ``enlarging``, makes of ``[N, C, H, W]`` maps: twice as large."""
    found: Tensor = layer(maps if mode == "nearest" else enlarge(maps, mode))
    return found


def enlarge(maps: Tensor, mode: str) -> Tensor:
    """Return ``[N, C, H, W]`` maps twice as high and wide."""
    if mode == "nearest":
        return F.interpolate(maps, scale_factor=2.0, mode="nearest")
    return F.interpolate(maps, scale_factor=2.0, mode=mode, align_corners=False)
