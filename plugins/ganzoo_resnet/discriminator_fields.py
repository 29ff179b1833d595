"""The fields of the discriminator."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, Self

from pydantic import NonNegativeInt, PositiveFloat, model_validator

from ganzoo.api import DiscriminatorSpec
from ganzoo_resnet.fields import Block, Channels, Depth, Initialiser, Resolutions, Shortcut


class DiscriminatorFields(DiscriminatorSpec):
    """Blocks of which the first ones halve a map, and one number of its sums."""

    channels: Channels = [128, 128, 128, 128]  # noqa: RUF012
    """Output channels of each block, first to last."""
    halvings: NonNegativeInt = 2
    """How many blocks halve the map: the first ones, or with block = 'deep' the first of each \
size."""
    block: Block = "plain"
    """Blocks of two 3×3 convolutions, or of two narrow ones between 1×1 convolutions \
(BigGAN-deep), after a 3×3 convolution to the first of 'channels'."""
    depth: Depth = 2
    """With block = 'deep': blocks for each further entry of 'channels'."""
    shortcut: Shortcut = "channels"
    """Shortcut of each block with block = 'deep': its input plus the missing channels, as in the \
paper, or a 1×1 convolution where size or channels change, as in StudioGAN."""
    hidden: Literal["input", "output"] = "input"
    """Channels between the two convolutions of a block after the first: its input's or its \
output's."""
    labels: Literal["none", "projection"] = "none"
    """How the class enters the network: not at all, or as a learned vector per class, multiplied \
with the last map's sums (Miyato & Koyama 2018)."""
    norm: Literal["none", "batch", "spectral"] = "spectral"
    """Normalisation; 'spectral' divides all weights by their largest singular value."""
    attention: Resolutions = []  # noqa: RUF012
    """Heights of the maps after which to add self-attention (Zhang et al. 2019)."""
    init: Initialiser = "glorot"
    """Initial weights: Glorot uniform, times √2 in the blocks' 3×3 convolutions; orthogonal; or \
N(0, init_std²). Biases start at 0."""
    init_std: PositiveFloat = 0.02
    """Standard deviation of 'normal' initial weights."""
    norm_eps: PositiveFloat = 1e-5
    """Added to the variance in batch norm."""

    embedding_size: NonNegativeInt = 0
    """Length of the vector returned as 'embedding', for 'contrastive' (ContraGAN, ReACGAN); 0 for \
none."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        problems = []
        if self.block == "plain" and (self.depth != 2 or self.shortcut != "channels"):
            problems.append("'depth' and 'shortcut' need block = 'deep'")
        if self.block == "deep" and self.norm == "batch":
            problems.append("block = 'deep' has no batch norm; use 'spectral' or 'none'")
        if self.block == "deep" and self.hidden != "input":
            problems.append("'hidden' needs block = 'plain'; deep blocks are a quarter as wide")
        narrows = any(b < a for a, b in pairwise(self.channels))
        if self.block == "deep" and self.shortcut == "channels" and narrows:
            problems.append(
                "shortcut = 'channels' needs 'channels' that do not shrink; use 'convolution'"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def uses_labels(self) -> bool:  # type: ignore[override]
        """Whether the network is called as ``discriminator(images, labels)``."""
        return self.labels != "none"
