"""Generator and discriminator 'fastgan' as a recipe describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ganzoo.api import DiscriminatorSpec, GeneratorSpec, ImageShape
from ganzoo_fastgan.sizes import Base, side_of

if TYPE_CHECKING:
    from torch import nn


class FastganGenerator(GeneratorSpec):
    """FastGAN: earlier maps weight the channels of later ones (Liu et al. 2021, arXiv:2101.04775).

    With its authors' 256 latent numbers, 29,127,846 parameters at 256×256, 29,174,392 at 512×512
    and 29,176,512 at 1024×1024. Sizes below 256 leave out the last maps. A small image is made
    beside the large one, which 'patch_hinge' shows the discriminator.
    """

    use: ClassVar[str] = "fastgan"

    base_channels: Base = 64
    """Channels of the 128×128 map; a 4×4 map has sixteen times as many."""
    output: Literal["linear", "tanh"] = "linear"
    """Output of the network: without bounds, as the authors use up to 512×512; or 'tanh' for data \
in [-1, 1], as they use at 1024×1024."""

    def output_range(self) -> tuple[float, float] | None:
        """Return what the last layer can make."""
        return (-1.0, 1.0) if self.output == "tanh" else None

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, Z]`` to 'images' ``[N, C, S, S]`` and 'small' ones.

        Raises:
            GanzooError: if the images are not square or of another size.
        """
        side = side_of("generator", image)
        from ganzoo_fastgan.networks import Generator

        bounded = self.output == "tanh"
        return Generator(self.base_channels, latent_size, side, image.channels, bounded=bounded)


class FastganDiscriminator(DiscriminatorSpec):
    """FastGAN: scores patches of an image and of a small copy (Liu et al. 2021, arXiv:2101.04775).

    8,386,672 parameters at 256×256; with the decoders of 'reconstruction', 11,526,160, and
    11,526,496 and 11,528,192 at 512×512 and 1024×1024. It returns 'patches' and 'small_patches' for
    'patch_hinge', and maps for 'reconstruction'.
    """

    use: ClassVar[str] = "fastgan"

    base_channels: Base = 64
    """Channels of the 64×64 map; an 8×8 map has eight times as many."""

    def build(self, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, C, S, S]`` to 'logits' ``[N]`` and what else it shows.

        Raises:
            GanzooError: if the images are not square or of another size.
        """
        side = side_of("discriminator", image)
        from ganzoo_fastgan.networks import Discriminator

        return Discriminator(self.base_channels, side, image.channels)
