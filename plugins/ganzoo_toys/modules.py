"""The two single numbers of the Dirac GAN as modules, and what perceptrons are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class OffsetGenerator(nn.Module):
    """G(z) = θ."""

    def __init__(self, channels: int, start: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.full((channels,), start))

    def forward(self, latent: Tensor) -> Tensor:
        """Return θ for each of ``[N, Z]``: ``[N, C, 1, 1]``."""
        return self.theta[None, :, None, None].expand(latent.shape[0], -1, 1, 1)


class LinearDiscriminator(nn.Module):
    """D(x) = ψ · x."""

    def __init__(self, channels: int, start: float) -> None:
        super().__init__()
        self.psi = nn.Parameter(torch.full((channels,), start))

    def forward(self, points: Tensor) -> Tensor:
        """Score ``[N, C, 1, 1]`` by ``[N]``."""
        return points.flatten(1) @ self.psi


class Largest(nn.Module):
    """The largest of each group of numbers: maxout."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, numbers: Tensor) -> Tensor:
        """Return ``[N, F]`` of ``[N, pieces · F]``: unit f has the numbers f, F + f, 2F + f, …."""
        count, width = numbers.shape
        return numbers.view(count, self.pieces, width // self.pieces).amax(1)


def drawn(network: nn.Module, std: float | None, gain: float | None) -> nn.Module:
    """Draw the weights of linear layers from N(0, std²), or orthogonal ones times the gain.

    Biases become 0. Without either, PyTorch's own stay.
    """
    if std is None and gain is None:
        return network
    for module in network.modules():
        if isinstance(module, nn.Linear):
            if std is not None:
                nn.init.normal_(module.weight, 0.0, std)
            elif gain is not None:
                nn.init.orthogonal_(module.weight, gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
