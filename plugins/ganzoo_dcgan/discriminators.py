"""The discriminator 'conv' as a recipe describes it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from ganzoo.api import ImageShape
from ganzoo_dcgan.discriminator_fields import DcganDiscriminator

if TYPE_CHECKING:
    from torch import nn


class Conv(DcganDiscriminator):
    """DCGAN: strided convolutions and leaky ReLU (Radford et al. 2016, arXiv:1511.06434).

    The defaults are the discriminator of Flux's MNIST tutorial: 1×28×28 → 64×14×14 → 128×7×7 → 1,
    138,561 parameters.
    """

    use: ClassVar[str] = "conv"

    def build(self, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, C, H, W]``, and classes ``[N]``, to logits ``[N]``.

        Beside them are 'classes', 'embedding' and 'features' where its fields ask for any.

        Raises:
            GanzooError: if the images are too small for so many convolutions, or have no classes.
        """
        self.refuse_unlabelled(image)
        seen = [
            replace(image, height=image.height >> look, width=image.width >> look)
            for look in range(self.looks)
        ]
        # Each look has the depth that suits its own size.
        specs = [self.for_size(each) for each in seen]
        plans = [(spec, each, *spec.paddings(each)) for spec, each in zip(specs, seen, strict=True)]
        from ganzoo_dcgan.discriminator_network import MultiScale, build_discriminator

        networks = [build_discriminator(*plan) for plan in plans]
        return networks[0] if self.looks == 1 else MultiScale(networks)
