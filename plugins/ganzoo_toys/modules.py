"""The two single numbers of the Dirac GAN as modules."""

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
