"""Generators as networks: the module and how it is put together from a spec."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ganzoo_dcgan.initialisers import initialise

if TYPE_CHECKING:
    from ganzoo_dcgan.generators import DcganGenerator

Enlarge = Callable[[int, int, int, int, bool], Sequence[tuple[str, nn.Module]]]
"""(inputs, outputs, scale, kernel, bias) to the named modules of one enlarging step."""


class ConvolutionalGenerator(nn.Module):
    """A stem from the latent to a small map, then layers up to the image."""

    def __init__(self, stem: nn.Module, layers: nn.Module, output: nn.Module) -> None:
        super().__init__()
        self.stem = stem
        self.layers = layers
        self.output = output

    def forward(self, latent: Tensor) -> Tensor:
        """Make images ``[N, C, H, W]`` from latents ``[N, Z]``."""
        features = self.stem(latent)  # [N, first width, H / product of scales, W / the same]
        image = self.layers(features)  # [N, C, H, W]
        return self.output(image)  # type: ignore[no-any-return]


def build_generator(
    spec: DcganGenerator,
    latent_size: int,
    image_channels: int,
    start: tuple[int, int],
    enlarge: Enlarge,
) -> ConvolutionalGenerator:
    """Put a generator together whose first map is ``start``, and draw its first weights."""
    inputs = spec.channels
    outputs = [*inputs[1:], image_channels]
    layers = [
        _layer(spec, *shape, enlarge, is_last=number == len(inputs))
        for number, shape in enumerate(zip(inputs, outputs, spec.scales, strict=True), start=1)
    ]
    network = ConvolutionalGenerator(
        stem=_stem(spec, latent_size, start),
        layers=nn.Sequential(*layers),
        output={"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "linear": nn.Identity}[spec.output](),
    )
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
) -> list[tuple[str, nn.Module]]:
    """Keep or exactly double the size, (n - 1)·s - 2p + k + output padding = s·n."""
    odd = (kernel - scale) % 2
    padding = (kernel - scale + odd) // 2
    convolution = nn.ConvTranspose2d(
        inputs, outputs, kernel, scale, padding, output_padding=odd, bias=bias
    )
    return [("convolution", convolution)]


def upsampled_convolution(interpolation: str) -> Enlarge:
    """Return how to interpolate and then convolve without changing the size."""

    def enlarge(
        inputs: int, outputs: int, scale: int, kernel: int, bias: bool
    ) -> list[tuple[str, nn.Module]]:
        convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
        if scale == 1:
            return [("convolution", convolution)]
        upsample = nn.Upsample(scale_factor=scale, mode=interpolation)
        return [("upsample", upsample), ("convolution", convolution)]

    return enlarge


def _stem(spec: DcganGenerator, latent_size: int, start: tuple[int, int]) -> nn.Sequential:
    channels, (height, width) = spec.channels[0], start
    size = channels * height * width
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if spec.stem == "linear":
        parts["linear"] = nn.Linear(latent_size, size, bias=spec.stem_bias)  # [N, c·h·w]
        if spec.order == "convolution_norm":
            parts.update(_norm(spec, nn.BatchNorm1d, size))
            parts["activation"] = _activation(spec)
        parts["reshape"] = nn.Unflatten(1, (channels, height, width))  # [N, c, h, w]
    else:
        parts["reshape"] = nn.Unflatten(1, (latent_size, 1, 1))  # [N, Z, 1, 1]
        parts["convolution"] = nn.ConvTranspose2d(
            latent_size, channels, start, bias=spec.stem_bias
        )  # [N, c, h, w]
        if spec.order == "convolution_norm":
            parts.update(_norm(spec, nn.BatchNorm2d, channels))
            parts["activation"] = _activation(spec)
    if spec.stem_dropout:
        parts["dropout"] = nn.Dropout(spec.stem_dropout)
    return nn.Sequential(parts)


def _layer(
    spec: DcganGenerator, inputs: int, outputs: int, scale: int, enlarge: Enlarge, *, is_last: bool
) -> nn.Sequential:
    kernel = spec.kernel_size if scale == 2 else spec.same_kernel_size
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if spec.order == "norm_convolution":
        parts.update(_norm(spec, nn.BatchNorm2d, inputs))
    parts.update(enlarge(inputs, outputs, scale, kernel, spec.bias))  # [N, outputs, s·h, s·w]
    if not is_last:
        if spec.order == "convolution_norm":
            parts.update(_norm(spec, nn.BatchNorm2d, outputs))
        parts["activation"] = _activation(spec)
        if spec.dropout:
            parts["dropout"] = nn.Dropout(spec.dropout)
    return nn.Sequential(parts)


def _norm(
    spec: DcganGenerator, kind: type[nn.BatchNorm1d] | type[nn.BatchNorm2d], channels: int
) -> dict[str, nn.Module]:
    if spec.norm == "none":
        return {}
    norm = kind(channels, eps=spec.norm_eps, momentum=spec.norm_momentum, affine=spec.norm_affine)
    return {"norm": norm}


def _activation(spec: DcganGenerator) -> nn.Module:
    return nn.ReLU() if spec.activation == "relu" else nn.LeakyReLU(spec.slope)
