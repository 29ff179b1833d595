"""The networks: blocks, interpolation, initial weights."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.api import ImageShape

if TYPE_CHECKING:
    from ganzoo_r3gan.fields import DiscriminatorFields, GeneratorFields

SLOPE = 0.2
GAIN = math.sqrt(2.0 / (1.0 + SLOPE**2))
"""Keeps the mean square through leaky ReLU (He et al. 2015, arXiv:1502.01852, eq. 15)."""


def enlarged(maps: Tensor) -> Tensor:
    """Return ``[N, C, 2·H, 2·W]``: numbers between two others are their mean, 0 beyond the edge.

    That is: zeros between all numbers, then the filter [1, 2, 1] ⊗ [1, 2, 1] / 4.
    """
    below = F.pad(maps[:, :, 1:], (0, 0, 0, 1))
    maps = torch.stack([maps, (maps + below) / 2], 3).flatten(2, 3)
    beside = F.pad(maps[..., 1:], (0, 1))
    return torch.stack([maps, (maps + beside) / 2], 4).flatten(3, 4)


def reduced(maps: Tensor) -> Tensor:
    """Return ``[N, C, H / 2, W / 2]``: every second number of maps filtered by [1, 2, 1] / 4.

    Its matrix is a quarter of that of ``enlarged``, transposed.
    """
    odd = maps[:, :, 1::2]
    maps = maps[:, :, ::2] / 2 + (odd + F.pad(odd[:, :, :-1], (0, 0, 1, 0))) / 4
    odd = maps[..., 1::2]
    return maps[..., ::2] / 2 + (odd + F.pad(odd[..., :-1], (1, 0))) / 4


class Biased(nn.Module):
    """Leaky ReLU of maps after a bias for each channel: nothing else in a block has one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``[N, C, H, W]``."""
        return F.leaky_relu(maps + self.bias[:, None, None], SLOPE)


class Block(nn.Module):
    """1×1 to a wider map, grouped 3×3, 1×1 back, added to what came in; no norm.

    The last convolution starts at 0, the others at √(2 / (1.04 · fan in)) · L^(-1/4), with L blocks
    in the network: so that an update of all blocks together is as large as that of one (Fixup,
    Zhang et al. 2019, arXiv:1901.09321, for three layers a block).
    """

    def __init__(self, channels: int, inside: int, group_size: int, in_network: int) -> None:
        super().__init__()
        self.widen = convolution(channels, inside, gain=GAIN * in_network**-0.25)
        self.bias1 = Biased(inside)
        self.mix = convolution(
            inside, inside, side=3, groups=inside // group_size, gain=GAIN * in_network**-0.25
        )
        self.bias2 = Biased(inside)
        self.narrow = convolution(inside, channels, gain=0.0)

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``[N, C, H, W]``."""
        out: Tensor = maps + self.narrow(self.bias2(self.mix(self.bias1(self.widen(maps)))))
        return out


def convolution(
    inputs: int, outputs: int, *, side: int = 1, groups: int = 1, gain: float = 1.0
) -> nn.Conv2d:
    """Return a convolution without bias that starts at N(0, gain² / fan in)."""
    layer = nn.Conv2d(inputs, outputs, side, padding=side // 2, groups=groups, bias=False)
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
    return layer


def linear(inputs: int, outputs: int, *, gain: float = 1.0) -> nn.Linear:
    """Return a linear layer without bias that starts at N(0, gain² / fan in)."""
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(inputs))
    return layer


def vectors(embedding: nn.Linear, labels: Tensor | None) -> Tensor:
    """Return ``[N, K]``, what a linear layer makes of classes ``[N]`` as zeros and ones."""
    assert labels is not None
    return F.embedding(labels, embedding.weight.t())


def stages(spec: GeneratorFields | DiscriminatorFields) -> list[nn.Sequential]:
    """Return the blocks of every stage."""
    count = spec.blocks * len(spec.channels)
    return [
        nn.Sequential(
            *(
                Block(width, width * spec.expansion, spec.group_size, count)
                for _ in range(spec.blocks)
            )
        )
        for width in spec.channels
    ]


def transition(before: int, after: int) -> nn.Module:
    """Return a 1×1 convolution between stages of unlike widths, else nothing."""
    return nn.Identity() if before == after else convolution(before, after)


class Generator(nn.Module):
    """A learned map whose channels the latent scales, stages of blocks, 1×1 to the image."""

    def __init__(
        self, spec: GeneratorFields, latent_size: int, image: ImageShape, start: tuple[int, int]
    ) -> None:
        super().__init__()
        self.is_told = spec.labels != "none"
        if self.is_told:
            self.embedding = linear(image.num_classes, spec.embedding_size)
            latent_size += spec.embedding_size
        first, last = spec.channels[0], spec.channels[-1]
        self.basis = nn.Parameter(torch.randn(first, *start))
        self.scales = linear(latent_size, first)
        self.stages = nn.ModuleList(stages(spec))
        self.transitions = nn.ModuleList(transition(*pair) for pair in pairwise(spec.channels))
        self.to_image = convolution(last, image.channels)

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Make images ``[N, C, H, W]`` of latents ``[N, Z]``, and of classes ``[N]``."""
        if self.is_told:
            latent = torch.cat([latent, vectors(self.embedding, labels)], 1)
        maps = self.scales(latent)[..., None, None] * self.basis  # [N, first width, h, w]
        for number, stage in enumerate(self.stages):
            if number:
                maps = enlarged(self.transitions[number - 1](maps))
            maps = stage(maps)
        images: Tensor = self.to_image(maps)
        return images


class Discriminator(nn.Module):
    """1×1 from the image, stages of blocks, a depthwise convolution of the last map, one number."""

    def __init__(self, spec: DiscriminatorFields, image: ImageShape, last: tuple[int, int]) -> None:
        super().__init__()
        widths = spec.channels
        self.from_image = convolution(image.channels, widths[0])
        self.stages = nn.ModuleList(stages(spec))
        self.transitions = nn.ModuleList(transition(*pair) for pair in pairwise(widths))
        self.basis = nn.Parameter(torch.randn(widths[-1], *last) / math.sqrt(last[0] * last[1]))
        self.is_told = spec.labels != "none"
        if not self.is_told:
            self.head = linear(widths[-1], 1)
            return
        self.head = linear(widths[-1], widths[0])
        self.embedding = linear(image.num_classes, widths[0], gain=1 / math.sqrt(widths[0]))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Score images ``[N, C, H, W]``, of classes ``[N]``, by logits ``[N]``."""
        maps = self.from_image(images)
        for number, stage in enumerate(self.stages):
            if number:
                maps = self.transitions[number - 1](reduced(maps))
            maps = stage(maps)
        found: Tensor = self.head((maps * self.basis).sum((2, 3)))  # [N, 1] or [N, first width]
        if self.is_told:
            found = found * vectors(self.embedding, labels)
        return found.sum(1)
