"""Generators as a recipe describes them: 'transpose' and 'upsample'."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ganzoo.api import ImageShape
from ganzoo_dcgan.fields import Kernel
from ganzoo_dcgan.generator_fields import DcganGenerator

if TYPE_CHECKING:
    from torch import nn


class Transpose(DcganGenerator):
    """DCGAN: enlarge with transposed convolutions (Radford et al. 2016, arXiv:1511.06434).

    The defaults are the generator of Flux's MNIST tutorial: 100 → 256×7×7 → 128×7×7 → 64×14×14 →
    1×28×28, 2,231,168 parameters.
    """

    use: ClassVar[str] = "transpose"

    def _disagreements(self) -> list[str]:
        problems = super()._disagreements()
        if (self.scales == "auto" or 2 in self.scales) and self.kernel_size < 2:
            problems.append("'kernel_size' is 1, which leaves holes where the size doubles")
        return problems

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, Z]``, and classes ``[N]``, to ``[N, C, H, W]``.

        Raises:
            GanzooError: if height or width cannot be reached by doubling, classes are missing, or
                the latent is shorter than the codes.
        """
        self.refuse_unlabelled(image)
        self.refuse_short(latent_size)
        spec, sizes = self.for_size(image)
        from ganzoo_dcgan.generator_network import build_generator, transposed_convolution

        return build_generator(spec, latent_size, image, sizes, transposed_convolution)


class Upsample(DcganGenerator):
    """Enlarge by interpolation, then convolve: no checkerboards (Odena et al. 2016, \
distill.pub/2016/deconv-checkerboard)."""

    use: ClassVar[str] = "upsample"

    kernel_size: Kernel = 3
    """Kernel size of layers that double, odd."""
    interpolation: Literal["nearest", "bilinear"] = "nearest"
    """How maps are enlarged; 'bilinear' is slow on a GPU, where results must be deterministic."""

    def _disagreements(self) -> list[str]:
        problems = super()._disagreements()
        if (self.scales == "auto" or 2 in self.scales) and self.kernel_size % 2 == 0:
            problems.append(f"'kernel_size' is {self.kernel_size}, and only odd kernels fit")
        return problems

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, Z]``, and classes ``[N]``, to ``[N, C, H, W]``.

        Raises:
            GanzooError: if height or width cannot be reached by doubling, classes are missing, or
                the latent is shorter than the codes.
        """
        self.refuse_unlabelled(image)
        self.refuse_short(latent_size)
        spec, sizes = self.for_size(image)
        from ganzoo_dcgan.generator_network import build_generator, upsampled_convolution

        return build_generator(
            spec, latent_size, image, sizes, upsampled_convolution(self.interpolation)
        )
