"""The discriminator 'resnet' as a recipe describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeInt, PositiveFloat

from ganzoo.api import DiscriminatorSpec, GanzooError, ImageShape
from ganzoo_dcgan.fields import refuse_unlabelled
from ganzoo_resnet.fields import Channels, Initialiser, Resolutions

if TYPE_CHECKING:
    from torch import nn


class ResnetDiscriminator(DiscriminatorSpec):
    """Residual blocks that halve a map's size (Gulrajani et al. 2017, arXiv:1704.00028, app. F).

    The defaults are SNGAN's at 32×32 (Miyato et al. 2018, arXiv:1802.05957, table 4): 3×32×32 →
    128×16×16 → 128×8×8 → 128×8×8 → 128×8×8 → sum → 1, 1,053,825 parameters.
    """

    use: ClassVar[str] = "resnet"

    channels: Channels = [128, 128, 128, 128]  # noqa: RUF012
    """Channels that each block makes, first to last."""
    halvings: NonNegativeInt = 2
    """How many blocks halve the map: the first ones."""
    hidden: Literal["input", "output"] = "input"
    """Channels between the two convolutions of a block after the first: its input's or its \
output's."""
    labels: Literal["none", "projection"] = "none"
    """How it is told which class an image is to be of: not at all, or by a learned vector of each \
class, times the last map's sums (Miyato & Koyama 2018)."""
    norm: Literal["none", "batch", "spectral"] = "spectral"
    """Normalisation; 'spectral' divides all weights by their largest singular value."""
    attention: Resolutions = []  # noqa: RUF012
    """Heights of the maps that are followed by self-attention (Zhang et al. 2019)."""
    init: Initialiser = "glorot"
    """First weights: Glorot uniform, times √2 in the blocks' 3×3 convolutions; orthogonal; or \
N(0, init_std²). Biases start at 0."""
    init_std: PositiveFloat = 0.02
    """Standard deviation of 'normal' first weights."""
    norm_eps: PositiveFloat = 1e-5
    """Added to the variance in batch norm."""

    @property
    def uses_labels(self) -> bool:  # type: ignore[override]
        """Whether the network is called as ``discriminator(images, labels)``."""
        return self.labels != "none"

    def build(self, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, C, H, W]``, and classes ``[N]``, to logits ``[N]``.

        Raises:
            GanzooError: if nothing is left of the image, an attention's map is not there, or
                classes are missing.
        """
        refuse_unlabelled(self, self.labels, image)
        blocks = len(self.channels)
        if self.halvings > blocks:
            raise GanzooError(
                f"discriminator.halvings: {self.halvings} of {blocks} blocks cannot be; "
                "name more 'channels' or halve less"
            )
        if min(image.height, image.width) >> self.halvings == 0:
            raise GanzooError(
                f"discriminator.halvings: nothing is left of {image.height}×{image.width} images "
                f"after {self.halvings}; use fewer"
            )
        heights = [image.height >> min(number, self.halvings) for number in range(1, blocks + 1)]
        if others := [height for height in self.attention if height not in heights]:
            raise GanzooError(
                f"discriminator.attention: there is no map of height {others[0]}; the blocks make "
                f"{', '.join(map(str, dict.fromkeys(heights)))}"
            )
        from ganzoo_resnet.discriminator_network import build_discriminator

        return build_discriminator(self, image, heights)
