"""Initial weights: one place that draws them, from torch's global random generator."""

from __future__ import annotations

import math

from torch import nn

from ganzoo_dcgan.fields import Initialiser
from ganzoo_dcgan.labels import ConditionalNorm

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm)


def initialise(
    network: nn.Module,
    *,
    convolution: Initialiser,
    linear: Initialiser,
    std: float,
    gamma_std: float,
) -> None:
    """Draw the weights of every layer in ``network``, in the order of its modules.

    'normal' is N(0, std²) (Radford et al. 2016); 'glorot' uniform up to √(6 / (fan in + fan out))
    (Glorot & Bengio 2010, eq. 16); 'he' N(0, 2 / fan in) (He et al. 2015, eq. 10); 'orthogonal'
    has orthonormal rows or columns (Saxe et al. 2014); 'torch' keeps what the layer drew itself.

    Args:
        convolution: how convolutions of both directions start.
        linear: how linear layers start.
        std: standard deviation of 'normal'.
        gamma_std: standard deviation of normalisation scales around 1.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            _draw(module, convolution, std)
        elif isinstance(module, nn.Linear):
            _draw(module, linear, std)
        elif gamma_std and isinstance(module, NORMS) and module.affine:
            nn.init.normal_(module.weight, 1.0, gamma_std)
        elif gamma_std and isinstance(module, ConditionalNorm):
            nn.init.normal_(module.scale.weight, 1.0, gamma_std)


def _draw(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, how: Initialiser, std: float) -> None:
    if how == "torch":
        return  # the layer drew its weights when it was made
    if how == "normal":
        nn.init.normal_(layer.weight, 0.0, std)
    elif how == "glorot":
        nn.init.xavier_uniform_(layer.weight)
    elif how == "he":
        nn.init.normal_(layer.weight, 0.0, math.sqrt(2.0 / _inputs_of_an_output(layer)))
    else:
        nn.init.orthogonal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _inputs_of_an_output(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> float:
    """Count the products summed into one output number, on average."""
    if isinstance(layer, nn.Linear):
        return layer.in_features
    taps = layer.in_channels * math.prod(layer.kernel_size)
    # A transposed convolution of stride s reaches each output by one tap in s² only.
    return taps / math.prod(layer.stride) if isinstance(layer, nn.ConvTranspose2d) else taps
