"""What FastGAN's networks are made of: convolutions, gates, noise, skip-layer excitation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo_dcgan.layers import Convolution, UpsampledConvolution

SLOPE = 0.2


def convolution(
    inputs: int, outputs: int, side: int, stride: int = 1, padding: int = 0
) -> nn.Conv2d:
    """Return a convolution without bias, divided by its spectral norm, from N(0, 0.02²)."""
    return drawn(Convolution(inputs, outputs, side, stride, padding, bias=False))


def drawn(layer: nn.Conv2d) -> nn.Conv2d:
    """Draw weights from N(0, 0.02²), divided by their spectral norm."""
    nn.init.normal_(layer.weight, 0.0, 0.02)
    spectral_norm(layer)
    return layer


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
                drawn(UpsampledConvolution(width, 2 * outputs, 3, bias=False))
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
