"""The generator 'resnet' as a recipe describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ganzoo.api import GanzooError, ImageShape
from ganzoo_resnet.fields import refuse_unlabelled
from ganzoo_resnet.generator_fields import GeneratorFields

if TYPE_CHECKING:
    from torch import nn


class ResnetGenerator(GeneratorFields):
    """Residual blocks that double a map's size (Gulrajani et al. 2017, arXiv:1704.00028, app. F).

    The defaults are SNGAN's at 32×32 (Miyato et al. 2018, arXiv:1802.05957, table 4): 128 →
    256×4×4 → 256×8×8 → 256×16×16 → 256×32×32 → 3×32×32, 4,276,739 parameters.
    """

    use: ClassVar[str] = "resnet"

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, Z]``, and classes ``[N]``, to ``[N, C, H, W]``.

        Raises:
            GanzooError: if height or width cannot be reached by doubling, an attention's map is
                not there, a latent cannot be split, or classes are missing.
        """
        refuse_unlabelled(self, self.labels, image)
        start = self.start(image)
        self.refuse_other_maps(start[0])
        pieces = len(self.channels)
        if self.split_latent and latent_size % pieces:
            raise GanzooError(
                f"generator.split_latent: {latent_size} latent numbers are not {pieces} equal "
                f"pieces; use latent.size = {-(-latent_size // pieces) * pieces}"
            )
        from ganzoo_resnet.generator_network import build_generator

        return build_generator(self, latent_size, image, start)
