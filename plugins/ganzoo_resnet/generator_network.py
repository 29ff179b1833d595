"""The generator as a network: the module and how it is put together from a spec."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.api import ImageShape
from ganzoo_resnet.blocks import (
    Attention,
    EmbeddedNorm,
    LinearNorm,
    NoNorm,
    Norm,
    OneHot,
    PlainNorm,
    UpBlock,
    divide_by_norms,
    initialise,
)
from ganzoo_resnet.convolutions import plain
from ganzoo_resnet.deep_blocks import UpStage

if TYPE_CHECKING:
    from ganzoo_resnet.generator_fields import GeneratorFields

OUTPUTS = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "linear": nn.Identity}


class ResidualGenerator(nn.Module):
    """A linear layer to the first map, blocks that double it, and a 3×3 convolution to an image."""

    def __init__(
        self,
        spec: GeneratorFields,
        latent_size: int,
        image: ImageShape,
        start: tuple[int, int],
        norm: Norm,
    ) -> None:
        super().__init__()
        widths = spec.channels
        self.start = widths[0], *start
        self.pieces = len(widths) if spec.split_latent else 1
        joined = self._joined(spec, image)
        self.linear = nn.Linear(
            latent_size // self.pieces + joined, widths[0] * start[0] * start[1]
        )
        self.blocks = nn.ModuleList(
            UpBlock(inputs, outputs, norm, spec.interpolation)
            if spec.block == "plain"
            else UpStage(
                inputs,
                outputs,
                norm,
                spec.interpolation,
                depth=spec.depth,
                learned=spec.shortcut == "convolution",
            )
            for inputs, outputs in pairwise(widths)
        )
        self.attentions = nn.ModuleDict(
            {
                str(number): Attention(width)
                for number, width in enumerate(widths[1:])
                if start[0] * 2 ** (number + 1) in spec.attention
            }
        )
        # Of all norms, the last one alone does not know the class.
        last = spec.norm == "batch"
        self.norm = PlainNorm(widths[-1], eps=spec.norm_eps) if last else NoNorm()
        self.convolution = plain(widths[-1], image.channels)
        self.output = OUTPUTS[spec.output]()

    @staticmethod
    def _joined(spec: GeneratorFields, image: ImageShape) -> int:
        """Return how many numbers of the class the first map is made of, beside the latent."""
        if not spec.join_latent or spec.labels == "none":
            return 0
        return spec.class_code or image.num_classes

    def forward(self, latent: Tensor) -> Tensor:
        """Make images ``[N, C, H, W]`` of latents ``[N, Z]``."""
        return self._make(latent, [None] * len(self.blocks))

    def _make(self, first: Tensor, conditions: list[Tensor | None]) -> Tensor:
        maps = self.linear(first).unflatten(1, self.start)  # [N, first width, H / 2^n, W / 2^n]
        for number, (block, condition) in enumerate(zip(self.blocks, conditions, strict=True)):
            maps = block(maps, condition)
            if str(number) in self.attentions:
                maps = self.attentions[str(number)](maps)
        images: Tensor = self.output(self.convolution(F.relu(self.norm(maps))))
        return images


class LatentGenerator(ResidualGenerator):
    """One whose norms read the latent, or a piece of it each, and no class."""

    def forward(self, latent: Tensor) -> Tensor:
        """Make images ``[N, C, H, W]`` of latents ``[N, Z]``."""
        if self.pieces == 1:
            return self._make(latent, [latent] * len(self.blocks))
        first, *others = latent.chunk(self.pieces, dim=1)
        return self._make(first, list(others))


class ClassGenerator(ResidualGenerator):
    """One whose norms have a scale and a shift of each class."""

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        """Make images ``[N, C, H, W]`` of latents ``[N, Z]`` and classes ``[N]``."""
        return self._make(latent, [labels] * len(self.blocks))


class CodeGenerator(ResidualGenerator):
    """One whose norms read a code of the class, and each a piece of a latent that is split."""

    def __init__(
        self,
        spec: GeneratorFields,
        latent_size: int,
        image: ImageShape,
        start: tuple[int, int],
        norm: Norm,
    ) -> None:
        super().__init__(spec, latent_size, image, start, norm)
        self.joins = spec.join_latent
        self.one_hot = OneHot(image.num_classes)
        self.code = (
            nn.Linear(image.num_classes, spec.class_code, bias=False)
            if spec.class_code
            else nn.Identity()
        )

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        """Make images ``[N, C, H, W]`` of latents ``[N, Z]`` and classes ``[N]``."""
        code = self.code(self.one_hot(labels).to(latent.dtype))  # [N, K]
        if self.joins:
            code = torch.cat([latent, code], 1)
            return self._make(code, [code] * len(self.blocks))
        if self.pieces == 1:
            return self._make(latent, [code] * len(self.blocks))
        first, *others = latent.chunk(self.pieces, dim=1)
        return self._make(first, [torch.cat([each, code], 1) for each in others])


def build_generator(
    spec: GeneratorFields, latent_size: int, image: ImageShape, start: tuple[int, int]
) -> ResidualGenerator:
    """Put a generator together whose first map is ``start``, and draw its initial weights."""
    classes = image.num_classes
    piece = latent_size // len(spec.channels) if spec.split_latent else 0
    if spec.join_latent:
        piece = latent_size

    def norm(channels: int) -> nn.Module:
        if spec.norm == "none":
            return NoNorm()
        if spec.labels == "none" and piece:
            return LinearNorm(channels, piece, spec.norm_eps)
        if spec.labels == "none":
            return PlainNorm(channels, eps=spec.norm_eps)
        if spec.condition == "embedding":
            return EmbeddedNorm(channels, classes, spec.norm_eps)
        return LinearNorm(channels, (spec.class_code or classes) + piece, spec.norm_eps)

    kind = LatentGenerator if piece else ResidualGenerator
    if spec.labels != "none":
        kind = ClassGenerator if spec.condition == "embedding" else CodeGenerator
    network = kind(spec, latent_size, image, start, norm)
    initialise(network, spec.init, spec.init_std)
    if spec.spectral:
        divide_by_norms(network)
    return network
