"""The fields of the discriminator."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeInt, PositiveFloat

from ganzoo.api import DiscriminatorSpec
from ganzoo_resnet.fields import Channels, Initialiser, Resolutions


class DiscriminatorFields(DiscriminatorSpec):
    """Blocks of which the first ones halve a map, and one number of its sums."""

    channels: Channels = [128, 128, 128, 128]  # noqa: RUF012
    """Channels that each block makes, first to last."""
    halvings: NonNegativeInt = 2
    """How many blocks halve the map: the first ones."""
    hidden: Literal["input", "output"] = "input"
    """Channels between the two convolutions of a block after the first: its input's or its \
output's."""
    labels: Literal["none", "projection"] = "none"
    """How the class of an image enters: not at all, or by a learned vector of each \
class, times the last map's sums (Miyato & Koyama 2018)."""
    norm: Literal["none", "batch", "spectral"] = "spectral"
    """Normalisation; 'spectral' divides all weights by their largest singular value."""
    attention: Resolutions = []  # noqa: RUF012
    """Heights of the maps that are followed by self-attention (Zhang et al. 2019)."""
    init: Initialiser = "glorot"
    """Initial weights: Glorot uniform, times √2 in the blocks' 3×3 convolutions; orthogonal; or \
N(0, init_std²). Biases start at 0."""
    init_std: PositiveFloat = 0.02
    """Standard deviation of 'normal' initial weights."""
    norm_eps: PositiveFloat = 1e-5
    """Added to the variance in batch norm."""

    @property
    def uses_labels(self) -> bool:  # type: ignore[override]
        """Whether the network is called as ``discriminator(images, labels)``."""
        return self.labels != "none"
