"""The discriminator: blocks that halve a map, the spread of the batch, one number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ganzoo.api import ImageShape
from ganzoo_stylegan2.fields import channels
from ganzoo_stylegan2.filters import Filtered
from ganzoo_stylegan2.layers import EPS, Convolution, Dense, Mapping

if TYPE_CHECKING:
    from ganzoo_stylegan2.fields import DiscriminatorFields, Size


class Block(nn.Module):
    """Two 3×3 convolutions, of which the second halves the map."""

    def __init__(self, inputs: int, outputs: int, size: Size, *, is_residual: bool) -> None:
        super().__init__()
        gain = math.sqrt(0.5) if is_residual else 1.0
        self.first = Convolution(inputs, inputs)
        self.second = Convolution(inputs, outputs, halved=size, gain=gain)
        self.aside = (
            Convolution(inputs, outputs, 1, halved=size, gain=gain, activated=False)
            if is_residual
            else None
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``[N, outputs, H / 2, W / 2]``."""
        found: Tensor = self.second(self.first(maps))
        return found if self.aside is None else found + self.aside(maps)


class Spread(nn.Module):
    """Put the spread within a group of images beside each of them, as one more map.

    Karras et al. 2018, arXiv:1710.10196, section 3. Groups are neighbours in the batch.
    """

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = group

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``[N, C + 1, H, W]``."""
        count, width, *size = maps.shape
        group = next(size for size in range(min(self.group, count), 0, -1) if count % size == 0)
        apart = maps.view(count // group, group, width, *size)
        # Not ``var``, which takes ten times as long on a CPU.
        variance = (apart - apart.mean(1, keepdim=True)).square().mean(1)
        # A variance of 0 has the gradient 0.
        spread = (variance + EPS).sqrt().mean((1, 2, 3))  # [N / group]
        beside = spread.repeat_interleave(group)[:, None, None, None]
        return torch.cat([maps, beside.expand(-1, -1, *size)], 1)


class Discriminator(nn.Module):
    """1×1 from the image, blocks, spread, a convolution, two linear layers."""

    def __init__(self, spec: DiscriminatorFields, image: ImageShape, maps: list[Size]) -> None:
        super().__init__()
        order = maps[::-1]  # the largest first
        widths = [channels(spec, size) for size in order]
        last, (height, width) = widths[-1], order[-1]
        seen = widths if spec.form == "skip" else widths[:1]
        self.from_image = nn.ModuleList(Convolution(image.channels, each, 1) for each in seen)
        self.reduced: nn.ModuleList | None = None
        if spec.form == "skip":
            self.reduced = nn.ModuleList(Filtered("halved", size) for size in order[:-1])
        self.blocks = nn.ModuleList(
            Block(inputs, outputs, size, is_residual=spec.form == "residual")
            for inputs, outputs, size in zip(widths, widths[1:], order[:-1], strict=False)
        )
        self.spread = Spread(spec.minibatch_stddev) if spec.minibatch_stddev else nn.Identity()
        self.last = Convolution(last + (1 if spec.minibatch_stddev else 0), last)
        self.hidden = Dense(last * height * width, last, activated=True)
        self.mapping: Mapping | None = None
        if spec.uses_labels:
            self.mapping = Mapping(
                0, image.num_classes, last, spec.mapping_layers, spec.mapping_rate
            )
        self.head = Dense(last, last if spec.uses_labels else 1)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Score images ``[N, C, H, W]``, of classes ``[N]``, by logits ``[N]``."""
        maps = self.from_image[0](images)
        for number, block in enumerate(self.blocks):
            maps = block(maps)
            if self.reduced is not None:
                images = self.reduced[number](images)
                maps = maps + self.from_image[number + 1](images)
        found: Tensor = self.head(self.hidden(self.last(self.spread(maps)).flatten(1)))
        if self.mapping is None:
            return found[:, 0]
        told = self.mapping(None, labels)
        products: Tensor = found * told
        return products.sum(1) / math.sqrt(told.shape[1])
