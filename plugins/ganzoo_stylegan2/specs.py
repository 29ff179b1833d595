"""Generator and discriminator 'stylegan2' as a recipe describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ganzoo.api import GanzooError, ImageShape
from ganzoo_stylegan2.fields import DiscriminatorFields, GeneratorFields, sizes

if TYPE_CHECKING:
    from torch import nn


class Stylegan2Generator(GeneratorFields):
    """StyleGAN2: a style scales the inputs of each layer (Karras et al. 2020, arXiv:1912.04958).

    The latent is mapped to a style w. A linear function of w scales the input channels of each
    convolution, and its outputs are scaled back to unit variance. The defaults are those of
    StyleGAN2-ADA by size (Karras et al. 2020, arXiv:2006.06676, 'auto'): with a latent of 512,
    19,947,539 parameters at 32×32 and 22,949,277 at 128×128; 20,215,315 at 32×32 with labels of 10
    classes. Pixel values have no bounds. It returns the styles of all layers as 'w' ``[N, L, W]``,
    and keeps their running average for truncation.
    """

    use: ClassVar[str] = "stylegan2"

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, Z]``, and classes ``[N]``, to ``[N, C, H, W]`` and 'w'.

        Raises:
            GanzooError: if halving does not end at 4 to 8, a layer is asked for that is not there,
                or classes are missing.
        """
        maps = sizes(self, image)
        layers = 2 * len(maps)
        for name in ("mix_from", "truncated_layers"):
            asked = getattr(self, name)
            if asked is not None and asked > layers - (name == "mix_from"):
                raise GanzooError(
                    f"generator.{name}: there is no layer {asked}; the styles are those of "
                    f"{layers} layers, 0 to {layers - 1}"
                )
        from ganzoo_stylegan2.generator_network import Generator

        return Generator(self, latent_size, image, maps)


class Stylegan2Discriminator(DiscriminatorFields):
    """StyleGAN2: residual blocks with filtered downsampling (Karras et al. 2020, arXiv:1912.04958).

    The defaults are those of StyleGAN2-ADA by size (arXiv:2006.06676, 'auto'): 21,507,073
    parameters at 32×32 and 23,882,369 at 128×128.
    """

    use: ClassVar[str] = "stylegan2"

    def build(self, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, C, H, W]``, and classes ``[N]``, to logits ``[N]``.

        Raises:
            GanzooError: if halving does not end at 4 to 8, or classes are missing.
        """
        maps = sizes(self, image)
        from ganzoo_stylegan2.discriminator_network import Discriminator

        return Discriminator(self, image, maps)
