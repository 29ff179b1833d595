"""Generators as networks: the module and how it is put together from a spec."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from torch import Tensor, nn

from ganzoo_dcgan.initialisers import initialise
from ganzoo_dcgan.layers import (
    Convolution,
    Dropout,
    TransposedConvolution,
    UpsampledConvolution,
)
from ganzoo_dcgan.normalisation import normalisation
from ganzoo_dcgan.stems import activation_of, build_stem

if TYPE_CHECKING:
    from ganzoo_dcgan.generator_fields import DcganGenerator

Enlarge = Callable[[int, int, int, int, bool], dict[str, nn.Module]]
"""(inputs, outputs, scale, kernel, bias) to the named modules that convolve and enlarge."""


class ConvolutionalGenerator(nn.Module):
    """A stem from the latent to a small map, then layers up to the image."""

    def __init__(self, stem: nn.Module, layers: nn.Module, output: nn.Module) -> None:
        super().__init__()
        self.stem = stem
        self.layers = layers
        self.output = output

    def forward(self, latent: Tensor) -> Tensor:
        """Make images ``[N, C, H, W]`` from latents ``[N, Z]``."""
        features: Tensor = self.stem(latent)  # [N, first width, H / 2^doublings, W / 2^doublings]
        features = self.layers(features)  # [N, C, H, W]
        image: Tensor = self.output(features)  # the same, in the value range
        return image


def build_generator(
    spec: DcganGenerator,
    latent_size: int,
    image_channels: int,
    start: tuple[int, int],
    enlarge: Enlarge,
) -> ConvolutionalGenerator:
    """Put a generator together whose first map has height and width ``start``; draw its weights."""
    stem, stem_channels = build_stem(spec, latent_size, start)
    inputs = [stem_channels, *spec.channels[1:]]
    outputs = [*spec.channels[1:], image_channels]
    layers = [
        _layer(spec, *shape, enlarge, is_last=number == len(inputs))
        for number, shape in enumerate(zip(inputs, outputs, spec.scales, strict=True), start=1)
    ]
    output = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "linear": nn.Identity}[spec.output]()
    network = ConvolutionalGenerator(stem, nn.Sequential(*layers), output)
    initialise(
        network,
        convolution=spec.init,
        linear=spec.linear_init,
        std=spec.init_std,
        gamma_std=spec.gamma_std,
    )
    return network


def transposed_convolution(
    inputs: int, outputs: int, scale: int, kernel: int, bias: bool
) -> dict[str, nn.Module]:
    """Keep or exactly double the size n: (n - 1)·s - 2p + k + output padding = s·n."""
    odd = (kernel - scale) % 2
    padding = (kernel - scale + odd) // 2
    return {
        "convolution": TransposedConvolution(
            inputs, outputs, kernel, scale, padding, output_padding=odd, bias=bias
        )
    }


def upsampled_convolution(interpolation: Literal["nearest", "bilinear"]) -> Enlarge:
    """Return how to interpolate where the size doubles, and then convolve without changing it."""

    def enlarge(
        inputs: int, outputs: int, scale: int, kernel: int, bias: bool
    ) -> dict[str, nn.Module]:
        if scale == 2 and interpolation == "nearest":
            return {"convolution": UpsampledConvolution(inputs, outputs, kernel, bias=bias)}
        convolution = Convolution(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
        if scale == 1:
            return {"convolution": convolution}
        upsample = nn.Upsample(scale_factor=scale, mode=interpolation)
        return {"upsample": upsample, "convolution": convolution}

    return enlarge


def _layer(
    spec: DcganGenerator, inputs: int, outputs: int, scale: int, enlarge: Enlarge, *, is_last: bool
) -> nn.Sequential:
    kernel = spec.kernel_size if scale == 2 else spec.same_kernel_size
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if spec.order == "norm_convolution":
        parts.update(_norm(spec, inputs))
    parts.update(enlarge(inputs, outputs, scale, kernel, spec.bias))  # [N, outputs, s·h, s·w]
    if not is_last:
        if spec.order == "convolution_norm":
            parts.update(_norm(spec, outputs))
        parts["activation"] = activation_of(spec)
        if spec.dropout:
            parts["dropout"] = Dropout(spec.dropout)
    return nn.Sequential(parts)


def _norm(spec: DcganGenerator, channels: int) -> dict[str, nn.Module]:
    return normalisation(
        spec.norm,
        channels,
        eps=spec.norm_eps,
        momentum=spec.norm_momentum,
        affine=spec.norm_affine,
    )
