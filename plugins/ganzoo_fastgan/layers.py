"""What FastGAN's networks are made of: convolutions, gates, noise, skip-layer excitation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2
SMALL = 4
"""Width of maps that are enlarged and convolved one after the other."""


def convolution(
    inputs: int, outputs: int, side: int, stride: int = 1, padding: int = 0
) -> nn.Conv2d:
    """Return a convolution without bias, divided by its spectral norm, from N(0, 0.02²)."""
    return drawn(nn.Conv2d(inputs, outputs, side, stride, padding, bias=False))


def drawn(layer: nn.Conv2d) -> nn.Conv2d:
    """Draw weights from N(0, 0.02²), divided by their spectral norm."""
    nn.init.normal_(layer.weight, 0.0, 0.02)
    spectral_norm(layer)
    return layer


class EnlargedConvolution(nn.Conv2d):
    """Each number repeated 2×2, then a 3×3 convolution that keeps that size, without bias.

    Both in one: a transposed convolution of stride 2 with four of the kernels, each moved by a
    pixel, added up. Four ninths of the products remain. On the smallest maps and in small batches,
    which this network is made for, that takes longer, so they are convolved as they are.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Return ``[N, O, 2·H, 2·W]`` of ``[N, I, H, W]``."""
        if input.shape[-1] <= SMALL:
            return super().forward(F.interpolate(input, scale_factor=2.0, mode="nearest"))
        kernels = F.pad(self.weight.flip(2, 3), (1, 1, 1, 1))
        kernels = kernels[:, :, :-1] + kernels[:, :, 1:]
        kernels = kernels[..., :-1] + kernels[..., 1:]
        return F.conv_transpose2d(input, kernels.transpose(0, 1), stride=2, padding=1)


def norm(channels: int) -> nn.BatchNorm2d:
    """Return a batch norm whose scale starts at N(1, 0.02²)."""
    layer = nn.BatchNorm2d(channels)
    nn.init.normal_(layer.weight, 1.0, 0.02)
    return layer


class Noise(nn.Module):
    """Adds one map of noise to all channels, times a learned number that starts at 0.

    In train mode it is drawn anew; in eval mode it is always the same, so that a latent is one
    image.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("fixed", torch.randn(1, 1, side, side))

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``[N, C, S, S]``."""
        noise: Tensor = self.get_buffer("fixed")
        if self.training:
            noise = torch.randn_like(maps[:, :1])
        return maps + self.weight * noise


class Up(nn.Module):
    """A map twice as large: nearest, 3×3, batch norm, a gated linear unit.

    With ``noisy`` noise comes before the norm, and another 3×3, noise, norm and gate follow.
    """

    def __init__(self, inputs: int, outputs: int, side: int, *, noisy: bool) -> None:
        super().__init__()

        def gated(width: int, *, enlarges: bool) -> list[nn.Module]:
            before = [Noise(side)] if noisy else []
            layer = (
                drawn(EnlargedConvolution(width, 2 * outputs))
                if enlarges
                else convolution(width, 2 * outputs, 3, padding=1)
            )
            return [layer, *before, norm(2 * outputs), nn.GLU(1)]

        layers = gated(inputs, enlarges=True)
        if noisy:
            layers += gated(outputs, enlarges=False)
        self.layers = nn.Sequential(*layers)

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``[N, outputs, 2·S, 2·S]``."""
        out: Tensor = self.layers(maps)
        return out


class Excitation(nn.Module):
    """Factors for the channels of a large map, read off a small one (Liu et al. 2021, eq. 1)."""

    def __init__(self, inputs: int, outputs: int, side: int) -> None:
        super().__init__()
        # To 4×4; a plain mean of squares, which exports to every format.
        self.pool = nn.AvgPool2d(side // 4) if side > 4 else nn.Identity()
        self.layers = nn.Sequential(
            convolution(inputs, outputs, 4), nn.SiLU(), convolution(outputs, outputs, 1)
        )

    def forward(self, small: Tensor, large: Tensor) -> Tensor:
        """Return ``[N, outputs, S, S]``."""
        return large * torch.sigmoid(self.layers(self.pool(small)))


class Down(nn.Module):
    """A map half as large: 4×4 of stride 2, batch norm, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            convolution(inputs, outputs, 4, 2, 1), norm(outputs), nn.LeakyReLU(SLOPE)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``[N, outputs, S / 2, S / 2]``."""
        out: Tensor = self.layers(maps)
        return out


class TwoWaysDown(nn.Module):
    """The mean of two ways to half the size: 4×4 and 3×3; mean of squares and 1×1."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            Down(inputs, outputs),
            convolution(outputs, outputs, 3, padding=1),
            norm(outputs),
            nn.LeakyReLU(SLOPE),
        )
        self.direct = nn.Sequential(
            nn.AvgPool2d(2), convolution(inputs, outputs, 1), norm(outputs), nn.LeakyReLU(SLOPE)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``[N, outputs, S / 2, S / 2]``."""
        out: Tensor = (self.main(maps) + self.direct(maps)) / 2
        return out


class Decoder(nn.Module):
    """An 8×8 map back to an image, as small as the decoder is simple."""

    WIDTHS = {16: 128, 32: 64, 64: 64, 128: 32}  # noqa: RUF012
    """Channels of the map of a side."""

    def __init__(self, inputs: int, sides: list[int], channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for side in sides:
            layers.append(Up(inputs, self.WIDTHS[side], side, noisy=False))
            inputs = self.WIDTHS[side]
        layers += [convolution(inputs, channels, 3, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``[N, C, P, P]`` in [-1, 1]."""
        images: Tensor = self.layers(maps)
        return images
