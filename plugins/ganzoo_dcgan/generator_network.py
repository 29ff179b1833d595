"""Generators as networks: the module and how it is put together from a spec."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from ganzoo.api import ImageShape
from ganzoo_dcgan.initialisers import initialise
from ganzoo_dcgan.labels import Labelled, OneHot
from ganzoo_dcgan.layers import (
    Convolution,
    Cut,
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


class CodedGenerator(ConvolutionalGenerator):
    """A generator whose latents are followed by a code of the class."""

    def __init__(
        self, code: nn.Module, stem: nn.Module, layers: nn.Module, output: nn.Module
    ) -> None:
        super().__init__(stem, layers, output)
        self.code = code

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        """Make images ``[N, C, H, W]`` of classes ``[N]`` from latents ``[N, Z]``."""
        code = self.code(labels).to(latent.dtype)  # [N, numbers of a code]
        return super().forward(torch.cat([latent, code], 1))


class ConditionalGenerator(ConvolutionalGenerator):
    """A generator whose norms are class-conditional."""

    stem: Labelled
    layers: Labelled

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        """Make images ``[N, C, H, W]`` of classes ``[N]`` from latents ``[N, Z]``."""
        features = self.layers(self.stem(latent, labels), labels)  # [N, C, H, W]
        image: Tensor = self.output(features)
        return image


def build_generator(
    spec: DcganGenerator,
    latent_size: int,
    image: ImageShape,
    sizes: list[tuple[int, int]],
    enlarge: Enlarge,
) -> ConvolutionalGenerator:
    """Put a generator together and draw its weights.

    Args:
        spec: with its depth for images of that size.
        sizes: height and width of the first map and of what each layer makes.
    """
    classes = image.num_classes if spec.labels == "conditional_norm" else 0
    code, code_size = _code(spec, image.num_classes)
    stem, stem_channels = build_stem(spec, latent_size + code_size, sizes[0], classes)
    inputs = [stem_channels, *spec.channels[1:]]
    outputs = [*spec.channels[1:], image.channels]
    assert spec.scales != "auto"
    layers = []
    for number, shape in enumerate(zip(inputs, outputs, spec.scales, strict=True)):
        (height, width), made = sizes[number], sizes[number + 1]
        cut = None if (height * shape[2], width * shape[2]) == made else made
        is_last = number == len(inputs) - 1
        layers.append(_layer(spec, *shape, enlarge, classes, cut, is_last=is_last))
    output = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "linear": nn.Identity}[spec.output]()
    network: ConvolutionalGenerator
    if classes:
        network = ConditionalGenerator(stem, Labelled(*layers), output)
    elif code is not None:
        network = CodedGenerator(code, stem, nn.Sequential(*layers), output)
    else:
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


def _code(spec: DcganGenerator, classes: int) -> tuple[nn.Module | None, int]:
    """Return what makes a code of a class, and how many numbers it has."""
    if spec.labels == "embedding":
        return nn.Embedding(classes, spec.embedding_size), spec.embedding_size
    if spec.labels == "one_hot":
        return OneHot(classes), classes
    return None, 0


def _layer(
    spec: DcganGenerator,
    inputs: int,
    outputs: int,
    scale: int,
    enlarge: Enlarge,
    classes: int,
    cut: tuple[int, int] | None,
    *,
    is_last: bool,
) -> nn.Sequential:
    kernel = spec.kernel_size if scale == 2 else spec.same_kernel_size
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if spec.order == "norm_convolution":
        parts.update(_norm(spec, inputs, classes))
    parts.update(enlarge(inputs, outputs, scale, kernel, spec.bias))  # [N, outputs, s·h, s·w]
    if cut is not None:
        parts["cut"] = Cut(*cut)  # [N, outputs, cut]
    if not is_last:
        if spec.order == "convolution_norm":
            parts.update(_norm(spec, outputs, classes))
        parts["activation"] = activation_of(spec)
        if spec.dropout:
            parts["dropout"] = Dropout(spec.dropout)
    return Labelled(parts) if classes else nn.Sequential(parts)


def _norm(spec: DcganGenerator, channels: int, classes: int) -> dict[str, nn.Module]:
    return normalisation(
        spec.norm,
        channels,
        eps=spec.norm_eps,
        momentum=spec.norm_momentum,
        affine=spec.norm_affine,
        classes=classes,
    )
