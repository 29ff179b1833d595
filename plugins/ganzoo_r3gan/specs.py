"""Generator and discriminator 'r3gan' as a recipe describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ganzoo.api import ImageShape
from ganzoo_r3gan.fields import (
    DiscriminatorFields,
    GeneratorFields,
    smallest_map,
)

if TYPE_CHECKING:
    from torch import nn


class R3ganGenerator(GeneratorFields):
    """R3GAN: norm-free blocks of grouped convolutions (Huang et al. 2024, arXiv:2501.05441).

    The defaults are the paper's for CIFAR-10: 64 → 768×4×4 → 768×8×8 → 768×16×16 → 768×32×32 →
    3×32×32, 20,732,160 parameters; 20,781,952 with labels of 10 classes. Pixel values have no
    bounds.
    """

    use: ClassVar[str] = "r3gan"

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, Z]``, and classes ``[N]``, to ``[N, C, H, W]``.

        Raises:
            GanzooError: if height or width cannot be reached by doubling, widths are no multiple
                of a group, or classes are missing.
        """
        start = smallest_map(self, image)
        from ganzoo_r3gan.networks import Generator

        return Generator(self, latent_size, image, start)


class R3ganDiscriminator(DiscriminatorFields):
    """R3GAN's discriminator, which mirrors its generator (Huang et al. 2024, arXiv:2501.05441).

    The defaults are the paper's for CIFAR-10, 20,683,776 parameters; 21,280,512 with labels of 10
    classes.
    """

    use: ClassVar[str] = "r3gan"

    def build(self, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, C, H, W]``, and classes ``[N]``, to logits ``[N]``.

        Raises:
            GanzooError: if height or width cannot be halved so often, widths are no multiple of a
                group, or classes are missing.
        """
        last = smallest_map(self, image)
        from ganzoo_r3gan.networks import Discriminator

        return Discriminator(self, image, last)
