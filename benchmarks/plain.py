"""Layers as ordinary ports of the papers write them, in the place of ganzoo's quicker forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo_dcgan.layers import Convolution, TransposedConvolution, UpsampledConvolution
from ganzoo_fastgan.layers import EnlargedConvolution as EnlargedInFastgan
from ganzoo_resnet.blocks import DownBlock, UpBlock
from ganzoo_resnet.convolutions import EnlargedConvolution, HalvedConvolution, enlarge
from ganzoo_resnet.convolutions import enlarged as as_it_is
from ganzoo_stylegan2.filters import STEPS, Filtered
from ganzoo_stylegan2.generator_network import Layer, ToImage
from ganzoo_stylegan2.layers import EPS, SLOPE


def upsampled(self: nn.Conv2d, maps: Tensor) -> Tensor:
    """Repeat each number 2×2, then convolve."""
    return nn.Conv2d.forward(self, F.interpolate(maps, scale_factor=2.0))


def halved(self: HalvedConvolution, maps: Tensor) -> Tensor:
    """Convolve, then take means of 2×2."""
    return F.avg_pool2d(nn.Conv2d.forward(self, maps), 2)


def up_block(self: UpBlock, maps: Tensor, condition: Tensor | None) -> Tensor:
    """Enlarge before the 1×1 convolution, as published code does."""
    inner = as_it_is(F.relu(self.norm1(maps, condition)), self.conv1, self.mode)
    inner = self.conv2(F.relu(self.norm2(inner, condition)))
    out: Tensor = inner + self.shortcut(enlarge(maps, self.mode))
    return out


def down_block(self: DownBlock, maps: Tensor) -> Tensor:
    """Halve behind the 1×1 convolution, as published code does."""
    inner: Tensor = self.conv2(F.relu(self.norm2(self.conv1(F.relu(self.norm1(maps))))))
    if self.norm0 is None or self.shortcut is None:
        return inner + maps
    beside = self.shortcut(self.norm0(maps))
    return inner + (F.avg_pool2d(beside, 2) if self.halves else beside)


def filtered(self: Filtered, maps: Tensor) -> Tensor:
    """Put zeros between, convolve each channel with the filter, keep every so many places."""
    between, front, behind, every = STEPS[self.course]
    count, channels, height, width = maps.shape
    if between > 1:
        spread = maps.new_zeros(count, channels, height, between, width, between)
        spread[..., 0, :, 0] = maps
        maps = spread.view(count, channels, height * between, width * between)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=maps.dtype, device=maps.device) / 8
    taps = taps * (2.0 if self.course in {"doubled", "grown"} else 1.0)
    kernel = (taps[:, None] * taps).expand(channels, 1, 4, 4)
    return F.conv2d(F.pad(maps, (front, behind) * 2), kernel, stride=every, groups=channels)


def modulated(self: Layer, maps: Tensor, w: Tensor) -> Tensor:
    """Give each image a kernel of its own: one convolution with a group for each."""
    count, inputs, height, width = maps.shape
    style = self.style(w)
    grows = self.filtered is not None
    shape = (count, inputs, 1, 1, 1) if grows else (count, 1, inputs, 1, 1)
    kernels = self.weight[None] * self.scale * style.view(shape)
    norms = kernels.square().sum((1, 3, 4) if grows else (2, 3, 4), keepdim=True)
    kernels = (kernels * (norms + EPS).rsqrt()).flatten(0, 1)
    maps = maps.reshape(1, count * inputs, height, width)
    if self.filtered is not None:
        maps = F.conv_transpose2d(maps, kernels, stride=2, groups=count)
        maps = self.filtered(maps.view(count, -1, *maps.shape[2:]))
    else:
        maps = F.conv2d(maps, kernels, padding=1, groups=count).view(count, -1, height, width)
    noise = self._noise(maps)
    if noise is not None:
        maps = maps + noise * self.strength
    return F.leaky_relu(maps + self.bias[:, None, None], SLOPE) * self.gain


def to_image(self: ToImage, maps: Tensor, w: Tensor) -> Tensor:
    """Give each image a kernel of its own here, too."""
    count, inputs, height, width = maps.shape
    kernels = self.weight[None] * (self.style(w) * self.scale).view(count, 1, inputs, 1, 1)
    maps = F.conv2d(
        maps.reshape(1, count * inputs, height, width), kernels.flatten(0, 1), groups=count
    )
    return maps.view(count, -1, height, width) + self.bias[:, None, None]


FORWARDS: dict[type[nn.Module], Callable[..., Any]] = {
    UpsampledConvolution: upsampled,
    EnlargedConvolution: upsampled,
    EnlargedInFastgan: upsampled,
    HalvedConvolution: halved,
    Convolution: nn.Conv2d.forward,
    TransposedConvolution: nn.ConvTranspose2d.forward,
    UpBlock: up_block,
    DownBlock: down_block,
    Filtered: filtered,
    Layer: modulated,
    ToImage: to_image,
}
"""What takes the place of each kind's forward; the weights stay what they are."""
