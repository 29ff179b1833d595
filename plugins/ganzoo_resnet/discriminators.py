"""The discriminator 'resnet' as a recipe describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ganzoo.api import GanzooError, ImageShape
from ganzoo_resnet.discriminator_fields import DiscriminatorFields
from ganzoo_resnet.fields import refuse_unlabelled

if TYPE_CHECKING:
    from torch import nn


class ResnetDiscriminator(DiscriminatorFields):
    """Residual blocks that halve a map's size (Gulrajani et al. 2017, arXiv:1704.00028, app. F).

    The defaults are SNGAN's at 32×32 (Miyato et al. 2018, arXiv:1802.05957, table 4): 3×32×32 →
    128×16×16 → 128×8×8 → 128×8×8 → 128×8×8 → sum → 1, 1,053,825 parameters.
    """

    use: ClassVar[str] = "resnet"

    def build(self, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, C, H, W]``, and classes ``[N]``, to logits ``[N]``.

        With 'embedding_size' E, it shows an embedding ``[N, E]`` beside them.

        Raises:
            GanzooError: if nothing is left of the image, an attention's map is not there, or
                classes are missing.
        """
        refuse_unlabelled(self, self.labels, image)
        is_deep = self.block == "deep"
        blocks = len(self.channels) - is_deep  # the first of a deep one's is no block's
        if self.halvings > blocks:
            raise GanzooError(
                f"discriminator.halvings: {self.halvings} of {blocks} blocks are "
                "too many; name more 'channels' or halve less"
            )
        if min(image.height, image.width) >> self.halvings == 0:
            raise GanzooError(
                f"discriminator.halvings: nothing is left of {image.height}×{image.width} images "
                f"after {self.halvings}; use fewer"
            )
        heights = [image.height >> min(number, self.halvings) for number in range(1, blocks + 1)]
        if others := [height for height in self.attention if height not in heights]:
            raise GanzooError(
                f"discriminator.attention: no map has height {others[0]}; the blocks make "
                f"{', '.join(map(str, dict.fromkeys(heights)))}"
            )
        from ganzoo_resnet.discriminator_network import build_discriminator

        return build_discriminator(self, image, heights)
