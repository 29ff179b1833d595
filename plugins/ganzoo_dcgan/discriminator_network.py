"""The discriminator as a network: the module and how it is put together from a spec."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo.api import ImageShape
from ganzoo_dcgan.heads import MinibatchStddev, beside_logits
from ganzoo_dcgan.initialisers import initialise
from ganzoo_dcgan.labels import OneHot, Projection
from ganzoo_dcgan.layers import Convolution, Dropout
from ganzoo_dcgan.normalisation import normalisation
from ganzoo_dcgan.padding import Padding

if TYPE_CHECKING:
    from ganzoo_dcgan.discriminator_fields import DcganDiscriminator

Said = Tensor | dict[str, Tensor]
"""Logits ``[N]`` alone, or beside what else a discriminator says of its images."""


class ConvolutionalDiscriminator(nn.Module):
    """Strided convolutions, then a head that makes one number of each image."""

    def __init__(self, layers: nn.Module, head: nn.Module, beside: nn.Module | None = None) -> None:
        super().__init__()
        self.layers = layers
        self.head = head
        self.beside = beside

    def forward(self, images: Tensor) -> Said:
        """Score images ``[N, C, H, W]`` by logits ``[N]``."""
        features: Tensor = self.layers(images)  # [N, last width, about H / 2^halvings, W / same]
        logits: Tensor = self.head(features)  # [N, 1] or [N, 1, 1, 1]
        return self.said(features, logits.flatten())

    def said(self, features: Tensor, logits: Tensor) -> Said:
        """Return the logits ``[N]``, with what else is said of the last map where anything is."""
        return logits if self.beside is None else {"logits": logits, **self.beside(features)}


class MapsDiscriminator(ConvolutionalDiscriminator):
    """One that reads a map for each class beside the image: ones for its class, else zeros."""

    def __init__(
        self, layers: nn.Module, head: nn.Module, beside: nn.Module | None, classes: int
    ) -> None:
        super().__init__(layers, head, beside)
        self.one_hot = OneHot(classes)

    def forward(self, images: Tensor, labels: Tensor) -> Said:  # type: ignore[override]
        """Score images ``[N, C, H, W]`` of classes ``[N]`` by logits ``[N]``."""
        maps = self.one_hot(labels).to(images.dtype)[..., None, None]  # [N, K, 1, 1]
        maps = maps.expand(-1, -1, *images.shape[2:])  # [N, K, H, W]
        return super().forward(torch.cat([images, maps], 1))


class ProjectionDiscriminator(ConvolutionalDiscriminator):
    """One whose logit has a second part, which the class decides."""

    def __init__(
        self, layers: nn.Module, head: nn.Module, beside: nn.Module | None, projection: Projection
    ) -> None:
        super().__init__(layers, head, beside)
        self.projection = projection

    def forward(self, images: Tensor, labels: Tensor) -> Said:  # type: ignore[override]
        """Score images ``[N, C, H, W]`` of classes ``[N]`` by logits ``[N]``."""
        features: Tensor = self.layers(images)  # [N, last width, about H / 2^halvings, W / same]
        logits: Tensor = self.head(features).flatten() + self.projection(features, labels)
        return self.said(features, logits)


class MultiScale(nn.Module):
    """Several that see an image at full size, at half of it, and so on (Wang et al. 2018).

    arXiv:1711.11585, section 3.2.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.looks = nn.ModuleList(networks)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Score images ``[N, C, H, W]``, of classes ``[N]`` where it takes any, by ``[N]``."""
        given = () if labels is None else (labels,)
        logits: list[Tensor] = []
        for number, network in enumerate(self.looks):
            if number:
                images = avg_pool2d(images, 2)
            logits.append(network(images, *given))
        return torch.stack(logits).mean(0)


def build_discriminator(
    spec: DcganDiscriminator, image: ImageShape, paddings: list[Padding], last: tuple[int, int]
) -> ConvolutionalDiscriminator:
    """Put a discriminator together whose last map is ``last``, and draw its initial weights."""
    assert spec.strides != "auto"
    outputs = spec.channels
    classes = image.num_classes
    beside = classes if spec.labels == "maps" else 0
    inputs = [image.channels + beside, *outputs[:-1]]
    layers = [
        _layer(spec, *shape, is_first=number == 0)
        for number, shape in enumerate(zip(inputs, outputs, spec.strides, paddings, strict=True))
    ]
    body, head = nn.Sequential(*layers), _head(spec, outputs[-1], last)
    more = beside_logits(spec, outputs[-1] * last[0] * last[1], classes)
    network: ConvolutionalDiscriminator
    if spec.labels == "maps":
        network = MapsDiscriminator(body, head, more, classes)
    elif spec.labels == "projection":
        network = ProjectionDiscriminator(body, head, more, Projection(outputs[-1], classes))
    else:
        network = ConvolutionalDiscriminator(body, head, more)
    initialise(
        network,
        convolution=spec.init,
        linear=spec.linear_init,
        std=spec.init_std,
        gamma_std=spec.gamma_std,
    )
    if spec.norm == "spectral":  # Miyato et al. 2018, arXiv:1802.05957
        for module in list(network.modules()):
            if isinstance(module, nn.Conv2d | nn.Linear):
                spectral_norm(module)
    return network


def _layer(
    spec: DcganDiscriminator,
    inputs: int,
    outputs: int,
    scale: int,
    padding: Padding,
    *,
    is_first: bool,
) -> nn.Sequential:
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    left, right, top, bottom = padding
    is_even = left == right and top == bottom
    if not is_even:
        parts["pad"] = nn.ZeroPad2d(padding)
    parts["convolution"] = Convolution(
        inputs,
        outputs,
        spec.kernel_size,
        stride=scale if spec.downsample == "stride" else 1,
        padding=(top, left) if is_even else 0,
        bias=spec.bias,
    )  # [N, outputs, about h / stride, w / stride]
    norm = {} if is_first and not spec.first_norm else _norm(spec, outputs)
    if spec.order == "norm_activation":
        parts.update(norm)
    parts["activation"] = nn.LeakyReLU(spec.slope)
    if spec.dropout:
        kind = Dropout if spec.dropout_of == "numbers" else nn.Dropout2d
        parts["dropout"] = kind(spec.dropout)
    if spec.order == "activation_norm":
        parts.update(norm)
    if spec.downsample == "average" and scale == 2:
        parts["average"] = nn.AvgPool2d(2)  # [N, outputs, h // 2, w // 2]
    return nn.Sequential(parts)


def _norm(spec: DcganDiscriminator, channels: int) -> dict[str, nn.Module]:
    return normalisation(
        spec.norm,
        channels,
        eps=spec.norm_eps,
        momentum=spec.norm_momentum,
        affine=spec.norm_affine,
    )


def _head(spec: DcganDiscriminator, channels: int, size: tuple[int, int]) -> nn.Module:
    spread = [MinibatchStddev(spec.minibatch_stddev)] if spec.minibatch_stddev else []
    channels += len(spread)
    head: nn.Module
    if spec.head == "convolution":
        head = Convolution(channels, 1, size, bias=spec.head_bias)  # [N, 1, 1, 1]
    else:
        flat = channels * size[0] * size[1]
        head = nn.Sequential(nn.Flatten(), nn.Linear(flat, 1, bias=spec.head_bias))  # [N, 1]
    return nn.Sequential(*spread, head) if spread else head
