"""FastGAN's self-supervision: the discriminator's maps must hold what it takes to draw images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ganzoo.api import Context, GanzooError, ImageShape, RegularizerSpec, Terms
from ganzoo_fastgan.sizes import Base

if TYPE_CHECKING:
    from torch import nn

MAPS = {"whole": 8, "part": 4, "small": 4}
"""What is drawn again, and the channels of the map it is drawn from, in base channels."""


class Reconstruction(RegularizerSpec):
    """FastGAN: decoders reconstruct real images from the discriminator's maps (Liu et al. 2021).

    arXiv:2101.04775, equation 3: E ‖φ(decoder(f(x))) - φ(T(x))‖, for the last map and the whole
    image; for a random quarter of the map before it and the same quarter of the image; and for the
    last map of the small copy. Decoders are trained with the discriminator, only on real images;
    reconstructed images have the size of the small copy. All distances add the mean square of
    pixels to their own part, except 'lpips', which is as in the paper.

    - 'random': a fixed network of random weights; needs no file.
    - 'discriminator': the discriminator's own small map, its weights held still.
    - 'pixels': nothing else.
    - 'lpips': VGG-16's, from a file of your own (Zhang et al. 2018, arXiv:1801.03924).

    Maps are compared with the channels at each position scaled to length 1, as in LPIPS.
    """

    use: ClassVar[str] = "reconstruction"

    distance: Literal["random", "discriminator", "pixels", "lpips"] = "random"
    """The distance between two images."""
    base_channels: Base = 64
    """The same as the discriminator's base_channels."""
    path: str | None = None
    """For 'lpips': a safetensors file with VGG-16's convolutions as torchvision names them \
('features.0.weight'), and LPIPS's factors ('lin0.model.1.weight')."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of that file; any other file is refused."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if (self.distance == "lpips") != (self.path is not None):
            raise ValueError(
                "distance = 'lpips' needs 'path', and no other distance does: name a safetensors "
                "file, or use distance = 'random'"
            )
        if self.sha256 and self.path is None:
            raise ValueError("'sha256' is that of the file 'path'; name both, or leave it out")
        return self

    def module(self, latent_size: int, image: ImageShape) -> nn.Module:  # noqa: ARG002
        """Return the decoders and the network of the distance.

        Raises:
            GanzooError: if the weights of 'lpips' cannot be read.
        """
        from ganzoo_fastgan.drawing import Drawing

        widths = {name: times * self.base_channels for name, times in MAPS.items()}
        if self.path is None:
            return Drawing(widths, image, self.distance)
        from ganzoo_fastgan.distances import Lpips

        return Drawing(widths, image, Lpips.read(self.path, self.sha256))

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'draw_whole', 'draw_part' and 'draw_small'.

        Raises:
            GanzooError: if the discriminator does not show its maps, or of other widths.
        """
        for name, times in MAPS.items():
            wanted = times * self.base_channels
            if name not in ctx.real_out:
                there = ", ".join(map(repr, ctx.real_out))
                raise GanzooError(
                    f"{self.use}: it reads what the discriminator shows as {name!r}, and this one "
                    f"shows {there}; use discriminator 'fastgan'"
                )
            if (found := ctx.real_out[name].shape[1]) != wanted:
                raise GanzooError(
                    f"{self.use}: map {name!r} has {found} channels, and 'base_channels' "
                    f"{self.base_channels} makes them {wanted}; use the discriminator's"
                )
        drawn: Terms = ctx.own(ctx)
        return {f"draw_{name}": self.weight * value for name, value in drawn.items()}
