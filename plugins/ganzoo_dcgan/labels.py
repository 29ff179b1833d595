"""How classes reach a network: codes beside latents, maps beside images, norms, a projection."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class OneHot(nn.Module):
    """Classes ``[N]`` as ``[N, K]``: 1 at the class, 0 elsewhere (Mirza & Osindero 2014).

    arXiv:1411.1784.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, labels: Tensor) -> Tensor:
        """Return float32; what it stands beside decides what the sum of both is."""
        every = torch.arange(self.classes, device=labels.device)
        return (labels[:, None] == every).float()


class Labelled(nn.Sequential):
    """Layers one after the other, of which some are also told the classes."""

    def forward(self, input: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]  # noqa: A002
        """Hand ``input`` from layer to layer, and ``labels`` ``[N]`` to those that ask for it."""
        for layer in self:
            is_told = isinstance(layer, Labelled | ConditionalNorm)
            input = layer(input, labels) if is_told else layer(input)  # noqa: A001
        return input


class ConditionalNorm(nn.Module):
    """A norm whose scale and shift are those of the class (de Vries et al. 2017, arXiv:1707.00683).

    Statistics are those of the whole batch, whatever its classes.
    """

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, classes: int) -> None:
        super().__init__()
        self.norm = norm
        self.scale = nn.Embedding(classes, norm.num_features)
        self.shift = nn.Embedding(classes, norm.num_features)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        """Normalise ``[N, C]`` or ``[N, C, H, W]``."""
        scale, shift = self.scale(labels), self.shift(labels)  # [N, C]
        if maps.ndim == 4:
            scale, shift = scale[..., None, None], shift[..., None, None]  # [N, C, 1, 1]
        normed: Tensor = self.norm(maps)
        return torch.addcmul(shift, scale, normed)


class Projection(nn.Module):
    """⟨e(y), Σ φ⟩: the class's vector times the map summed over its places (Miyato & Koyama 2018).

    arXiv:1802.05637, figure 1 (d). The vectors are the rows of a linear layer, so that what a
    recipe says of such layers, initial weights and spectral norm, holds for them.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.one_hot = OneHot(classes)
        self.linear = nn.Linear(channels, classes, bias=False)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return ``[N]`` from ``[N, C, H, W]`` and classes ``[N]``."""
        every: Tensor = self.linear(features.sum((2, 3)))  # [N, K]
        scores: Tensor = (every * self.one_hot(labels)).sum(1)
        return scores
