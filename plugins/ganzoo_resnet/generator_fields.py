"""The fields of the generator, and what follows from them."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import NonNegativeInt, PositiveFloat, model_validator

from ganzoo.api import GanzooError, GeneratorSpec, ImageShape
from ganzoo_resnet.fields import Block, Channels, Depth, Initialiser, Resolutions, Shortcut

if TYPE_CHECKING:
    from torch import Tensor


RANGES = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}
"""Lowest and highest value that an output can have; 'linear' has no bounds."""


class GeneratorFields(GeneratorSpec):
    """A first map, blocks that double it, an image."""

    at_sampling: ClassVar[frozenset[str]] = frozenset({"truncation"})

    channels: Channels = [256, 256, 256, 256]  # noqa: RUF012
    """Channels of each map, first to last. Each map doubles the size of the previous one; the \
first has the size of the image divided by all doublings."""
    labels: Literal["none", "conditional_norm"] = "none"
    """How the class enters the network: not at all, or as the scale and shift of batch norm in \
the blocks."""
    condition: Literal["embedding", "linear"] = "embedding"
    """Where a class's scale and shift come from: learned for each class (cGANs with projection, \
SAGAN), or a linear layer of the class's code, with the scale around 1 (BigGAN)."""
    class_code: NonNegativeInt = 0
    """Length of the code of a class that all linear conditions share; 0 uses a one-hot vector."""
    split_latent: bool = False
    """Give each block, and the first map, its own piece of the latent beside the class's code."""
    join_latent: bool = False
    """Give each block, and the first map, the whole latent beside the class's code \
(BigGAN-deep)."""
    block: Block = "plain"
    """Blocks of two 3×3 convolutions, or of two narrow ones between 1×1 convolutions \
(BigGAN-deep)."""
    depth: Depth = 2
    """With block = 'deep': blocks per size."""
    shortcut: Shortcut = "channels"
    """Shortcut of each block with block = 'deep': its first channels, as in the paper, or a 1×1 \
convolution, as in StudioGAN."""
    norm: Literal["batch", "none"] = "batch"
    """Normalisation before each activation."""
    spectral: bool = False
    """Divide all weights by their largest singular value (SAGAN, BigGAN)."""
    attention: Resolutions = []  # noqa: RUF012
    """Heights of the maps after which to add self-attention (Zhang et al. 2019)."""
    interpolation: Literal["nearest", "bilinear"] = "nearest"
    """How maps are enlarged; 'bilinear' is slow on a GPU, where results must be deterministic."""
    output: Literal["tanh", "sigmoid", "linear"] = "tanh"
    """Output of the network: 'tanh' for data in [-1, 1], 'sigmoid' for [0, 1], 'linear' for any."""
    init: Initialiser = "glorot"
    """Initial weights: Glorot uniform, times √2 in the blocks' 3×3 convolutions; orthogonal; or \
N(0, init_std²). Biases start at 0."""
    init_std: PositiveFloat = 0.02
    """Standard deviation of 'normal' initial weights."""
    norm_eps: PositiveFloat = 1e-5
    """Added to the variance in batch norm."""
    truncation: PositiveFloat | None = None
    """Truncate the normal latents at this absolute value when sampling (BigGAN's truncation). \
Fewer bad images, less variety; do not use it for scores."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        problems = []
        of_latent = self.split_latent or self.join_latent
        if self.labels == "none" and self.class_code:
            problems.append("'class_code' needs labels = 'conditional_norm'")
        if self.labels == "none" and self.condition == "linear" and not of_latent:
            problems.append(
                "condition = 'linear' needs labels = 'conditional_norm', 'split_latent' or "
                "'join_latent'"
            )
        if self.class_code and self.condition != "linear":
            problems.append("'class_code' needs condition = 'linear'")
        if self.split_latent and self.condition != "linear":
            problems.append("'split_latent' needs condition = 'linear'")
        if self.join_latent and self.condition != "linear":
            problems.append("'join_latent' needs condition = 'linear'")
        if self.join_latent and self.split_latent:
            problems.append("'join_latent' and 'split_latent' need each to be alone; choose one")
        if (self.labels != "none" or of_latent) and self.norm != "batch":
            problems.append("labels = 'conditional_norm' and linear conditions need norm = 'batch'")
        if self.block == "plain" and (self.depth != 2 or self.shortcut != "channels"):
            problems.append("'depth' and 'shortcut' need block = 'deep'")
        widens = any(b > a for a, b in pairwise(self.channels))
        if self.block == "deep" and self.shortcut == "channels" and widens:
            problems.append(
                "shortcut = 'channels' needs 'channels' that do not grow; use 'convolution'"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def uses_labels(self) -> bool:  # type: ignore[override]
        """Whether the network is called as ``generator(latent, labels)``."""
        return self.labels != "none"

    def output_range(self) -> tuple[float, float] | None:
        """Return what the last layer can make."""
        return RANGES.get(self.output)

    def latents(self, z: Tensor) -> Tensor:
        """Return ``[N, Z]`` latents; with 'truncation' those of the truncated normal distribution.

        The quantile of each number among all normal ones becomes its quantile among those within
        ±truncation: one draw for one draw, as resampling the rest would do on average.
        """
        if self.truncation is None:
            return z
        share = math.erf(self.truncation / math.sqrt(2.0))  # of N(0, 1) within ±truncation
        # In float64: far out, float32 has no quantiles left.
        cut: Tensor = (z.double() / math.sqrt(2.0)).erf().mul(share).erfinv().mul(math.sqrt(2.0))
        return cut.to(z.dtype).clamp(-self.truncation, self.truncation)

    def start(self, image: ImageShape) -> tuple[int, int]:
        """Return height and width of the first map.

        Raises:
            GanzooError: if height or width cannot be reached by doubling.
        """
        grown = 2 ** (len(self.channels) - 1)
        if image.height % grown or image.width % grown:
            raise GanzooError(
                f"generator.channels: {len(self.channels)} maps double the size "
                f"{len(self.channels) - 1} times, and {image.height}×{image.width} images are no "
                f"multiple of {grown}; name fewer maps, or use another size"
            )
        return image.height // grown, image.width // grown

    def refuse_other_maps(self, start: int) -> None:
        """Raise GanzooError if attention is asked for at a height that no map has."""
        heights = [start * 2**number for number in range(1, len(self.channels))]
        if others := [height for height in self.attention if height not in heights]:
            raise GanzooError(
                f"generator.attention: no map has height {others[0]}; the blocks make "
                f"{', '.join(map(str, heights))}"
            )
