"""Layers with an equalised learning rate: weights start at N(0, 1) and are scaled where they act.

So Adam, whose steps do not depend on a weight's size, moves all layers at one pace (Karras et al.
2018, arXiv:1710.10196, section 4.1).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo_stylegan2.fields import Size
from ganzoo_stylegan2.filters import Filtered

SLOPE = 0.2
GAIN = math.sqrt(2.0)
"""Follows each leaky ReLU. It is put into what comes before, which it can be taken through."""
EPS = 1e-8


def normalised(vectors: Tensor) -> Tensor:
    """Return ``[N, K]`` with a mean square of 1 in each row."""
    return vectors * (vectors.square().mean(1, keepdim=True) + EPS).rsqrt()


class Dense(nn.Module):
    """A linear layer; ``rate`` is that of its weights as a share of the optimizer's."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias: float = 0.0,
        rate: float = 1.0,
        activated: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), float(bias)))
        self.activated = activated
        self.bias_scale = rate * (GAIN if activated else 1.0)
        self.scale = self.bias_scale / math.sqrt(inputs)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return ``[N, outputs]`` of ``[N, inputs]``."""
        found = F.linear(vectors, self.weight * self.scale, self.bias * self.bias_scale)
        return F.leaky_relu(found, SLOPE) if self.activated else found


class Convolution(nn.Module):
    """A convolution of odd size with bias and leaky ReLU, or of 1×1 without both.

    Args:
        halved: the size of its input, where it is filtered and halved.
        gain: factor on what comes out.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        side: int = 3,
        *,
        halved: Size | None = None,
        gain: float = 1.0,
        activated: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, side, side))
        self.bias = nn.Parameter(torch.zeros(outputs)) if activated else None
        self.gain = gain * (GAIN if activated else 1.0)
        self.scale = self.gain / math.sqrt(inputs * side**2)
        self.stride, self.padding = 1, side // 2
        self.filtered: Filtered | None = None
        if halved:
            # Filtered and halved in one before 1×1; before 3×3 the convolution halves.
            self.filtered = Filtered("padded" if side == 3 else "halved", halved)
            self.stride, self.padding = (2, 0) if side == 3 else (1, 0)

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``[N, outputs, H, W]``, or half of height and width."""
        if self.filtered is not None:
            maps = self.filtered(maps)
        bias = None if self.bias is None else self.bias * self.gain
        maps = F.conv2d(maps, self.weight * self.scale, bias, self.stride, self.padding)
        return maps if bias is None else F.leaky_relu(maps, SLOPE)


class Mapping(nn.Module):
    """From latents or classes, or both, to vectors of a size.

    Args:
        latent_size: 0 where there are only classes.
        num_classes: 0 where there are only latents.
    """

    def __init__(
        self, latent_size: int, num_classes: int, size: int, layers: int, rate: float
    ) -> None:
        super().__init__()
        self.latent_size, self.num_classes = latent_size, num_classes
        if num_classes:
            # A linear layer of zeros and one 1, looked up.
            self.embedding = nn.Embedding(num_classes, size)
            self.bias = nn.Parameter(torch.zeros(size))
        inputs = [latent_size + (size if num_classes else 0)] + [size] * (layers - 1)
        self.layers = nn.Sequential(
            *(Dense(each, size, rate=rate, activated=True) for each in inputs[:layers])
        )

    def forward(self, latent: Tensor | None, labels: Tensor | None) -> Tensor:
        """Return ``[N, size]`` of ``[N, Z]`` and ``[N]``, whichever there are."""
        parts = []
        if self.latent_size:
            assert latent is not None
            parts.append(normalised(latent))
        if self.num_classes:
            assert labels is not None
            told = self.embedding(labels) / math.sqrt(self.num_classes) + self.bias
            parts.append(normalised(told))
        found: Tensor = self.layers(torch.cat(parts, 1))
        return found
