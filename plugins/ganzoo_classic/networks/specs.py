"""BEGAN's networks as a recipe describes them: 'autoencoder' and, for its generator, 'decoder'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ganzoo.api import DiscriminatorSpec, GanzooError, GeneratorSpec, ImageShape

if TYPE_CHECKING:
    from torch import nn

Width = Annotated[int, Field(ge=1, le=8192)]
Halvings = Annotated[int, Field(ge=1, le=10)]


class Autoencoder(DiscriminatorSpec):
    """Score images by how well an autoencoder reconstructs them: minus the error.

    Berthelot et al. 2017, arXiv:1703.10717, section 3.5.1: 3×3 convolutions and ELU, two at each
    size, no norm; a linear layer to the code and one from it; nearest-neighbour upsampling. EBGAN
    (Zhao et al. 2017, arXiv:1609.03126) uses the squared error. The code is returned as 'features'.
    """

    use: ClassVar[str] = "autoencoder"

    base_channels: Width = 16
    """Channels n of the first map; each smaller map of the encoder has n more."""
    halvings: Halvings = 2
    """How often height and width are halved."""
    hidden: Width = 64
    """Length of the code."""
    error: Literal["absolute", "squared"] = "absolute"
    """Mean over channels and pixels of the absolute or the squared difference."""

    def build(self, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, C, H, W]`` to 'logits' ``[N]`` and 'features' ``[N, hidden]``.

        Raises:
            GanzooError: if the images cannot be halved so often.
        """
        start = halved(image, self.halvings, "discriminator")
        from ganzoo_classic.networks.autoencoder import AutoencoderDiscriminator

        return AutoencoderDiscriminator(
            image, self.base_channels, self.halvings, self.hidden, start, self.error
        )


class Decoder(GeneratorSpec):
    """An autoencoder's decoder as the generator, without bounds on pixel values.

    Berthelot et al. 2017, arXiv:1703.10717, section 3.5.1: the decoder of 'autoencoder', with its
    own weights; the latent takes the place of the code.
    """

    use: ClassVar[str] = "decoder"

    base_channels: Width = 16
    """Channels n of each map."""
    halvings: Halvings = 2
    """How often height and width are doubled."""

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, Z]`` to ``[N, C, H, W]``.

        Raises:
            GanzooError: if the images cannot be reached by doubling.
        """
        start = halved(image, self.halvings, "generator")
        from ganzoo_classic.networks.autoencoder import decoder

        return decoder(latent_size, image.channels, self.base_channels, self.halvings, start)


def halved(image: ImageShape, times: int, who: str) -> tuple[int, int]:
    """Return height and width after so many halvings.

    Raises:
        GanzooError: if either is not a multiple of 2 to that power.
    """
    factor = 2**times
    if image.height % factor or image.width % factor:
        raise GanzooError(
            f"{who}.halvings: {times} halvings need sides that are multiples of {factor}, and "
            f"images are {image.height}×{image.width}; resize them or ask for fewer"
        )
    return image.height // factor, image.width // factor
