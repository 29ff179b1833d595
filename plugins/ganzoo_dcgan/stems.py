"""How a latent ``[N, Z]`` becomes the first map ``[N, C, H, W]`` of a generator."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ganzoo_dcgan.labels import Labelled
from ganzoo_dcgan.layers import Dropout, TransposedConvolution
from ganzoo_dcgan.normalisation import normalisation

if TYPE_CHECKING:
    from ganzoo_dcgan.generator_fields import DcganGenerator


class ConstantStem(nn.Module):
    """A learned constant beside a projection of the latent, one map per latent number.

    Dive into Deep Learning's simplification of the basis layer of R3GAN (Huang et al. 2024,
    arXiv:2501.05441), which multiplies the two instead.
    """

    def __init__(
        self, latent_size: int, channels: int, start: tuple[int, int], bias: bool, std: float
    ) -> None:
        super().__init__()
        self.constant = nn.Parameter(std * torch.randn(1, channels, *start))
        self.linear = nn.Linear(latent_size, latent_size * start[0] * start[1], bias=bias)
        self.reshape = nn.Unflatten(1, (latent_size, *start))

    def forward(self, latent: Tensor) -> Tensor:
        """Return ``[N, C + Z, H, W]``: the constant, the same for all, then the projection."""
        projection = self.reshape(self.linear(latent))  # [N, Z, H, W]
        constant = self.constant.expand(latent.shape[0], -1, -1, -1)  # [N, C, H, W]
        return torch.cat([constant, projection], dim=1)


def build_stem(
    spec: DcganGenerator, latent_size: int, start: tuple[int, int], classes: int = 0
) -> tuple[nn.Sequential, int]:
    """Return the stem whose map has height and width ``start``, and the channels of that map.

    Args:
        classes: how many the norm tells apart; the stem is then ``Labelled``.
    """
    channels = spec.channels[0]
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if spec.stem == "linear":
        numbers = channels * start[0] * start[1]
        parts["linear"] = nn.Linear(latent_size, numbers, bias=spec.stem_bias)  # [N, C·H·W]
        reshape = nn.Unflatten(1, (channels, *start))  # [N, C, H, W]
        if spec.stem_norm == "channels":
            parts["reshape"] = reshape
            parts.update(_norm_and_activation(spec, channels, classes, is_flat=False))
        else:
            parts.update(_norm_and_activation(spec, numbers, classes, is_flat=True))
            parts["reshape"] = reshape
    elif spec.stem == "convolution":
        parts["reshape"] = nn.Unflatten(1, (latent_size, 1, 1))  # [N, Z, 1, 1]
        parts["convolution"] = TransposedConvolution(
            latent_size, channels, start, bias=spec.stem_bias
        )  # [N, C, H, W]
        parts.update(_norm_and_activation(spec, channels, classes, is_flat=False))
    else:
        parts["constant"] = ConstantStem(
            latent_size, channels, start, spec.stem_bias, spec.init_std
        )  # [N, C + Z, H, W]
        channels += latent_size
    if spec.stem_dropout:
        parts["dropout"] = Dropout(spec.stem_dropout)
    return Labelled(parts) if classes else nn.Sequential(parts), channels


def activation_of(spec: DcganGenerator) -> nn.Module:
    """Return the activation that follows the stem and every layer but the last."""
    return nn.ReLU() if spec.activation == "relu" else nn.LeakyReLU(spec.slope)


def _norm_and_activation(
    spec: DcganGenerator, channels: int, classes: int, *, is_flat: bool
) -> dict[str, nn.Module]:
    if spec.order == "norm_convolution":
        return {}  # the first layer begins with its own norm
    norm = normalisation(
        spec.norm,
        channels,
        eps=spec.stem_norm_eps or spec.norm_eps,
        momentum=spec.norm_momentum,
        affine=spec.norm_affine,
        is_flat=is_flat,
        classes=classes,
    )
    return {**norm, "activation": activation_of(spec)} if spec.stem_activation else norm
