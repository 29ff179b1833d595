"""The networks of pix2pix and CycleGAN as recipes describe them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ganzoo.api import DiscriminatorSpec, GanzooError, GeneratorSpec, ImageShape

if TYPE_CHECKING:
    from torch import nn

Width = Annotated[int, Field(ge=1, le=1024)]
Norm = Literal["batch", "instance", "none"]
Scale = Annotated[float, Field(ge=0, le=10)]


class _Translator(GeneratorSpec):
    """Turns what the data has beside its images into images."""

    translates: ClassVar[bool] = True

    base_channels: Width = 64
    """Channels after the first convolution; those of deeper layers are multiples."""
    norm: Norm = "batch"
    """After convolutions: over the batch, over each image without weights of its own, or none."""
    init_scale: Scale = 0.02
    """Standard deviation of the first weights, around 0; 0 leaves them to torch."""

    def output_range(self) -> tuple[float, float] | None:
        """Return the range of tanh."""
        return (-1.0, 1.0)


class UNet(_Translator):
    """A U-Net: halved until little is left and doubled again, each level beside its like.

    Ronneberger et al. 2015, arXiv:1505.04597, as in Isola et al. 2017, arXiv:1611.07004, appendix
    6.1: 8 levels for 256×256. Dropout is on while it trains; with samples.mode = 'train' also on
    sheets, as theirs is at test.
    """

    use: ClassVar[str] = "unet"

    levels: Annotated[int, Field(ge=2, le=10)] = 8
    """How often sides are halved: 2 to the power of it divides height and width."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of zeros on the way up, at the levels that are as wide as the widest."""

    @property
    def multiple(self) -> int:
        """What divides the sides of pictures that the network takes."""
        return int(2**self.levels)

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:  # noqa: ARG002
        """Return a module from ``[N, C', H, W]`` to ``[N, C, H, W]``.

        Raises:
            GanzooError: if the sides cannot be halved so often.
        """
        from ganzoo_translation.modules import UNetModule, scaled

        refuse_sides(image, 2**self.levels, f"generator.levels = {self.levels}")
        return scaled(
            UNetModule(
                image.input_shape[0], image.channels, self.base_channels, self.levels, self.norm,
                self.dropout,
            ),
            self.init_scale,
        )  # fmt: skip


class ResnetTranslator(_Translator):
    """Two halvings, residual blocks, two doublings, with mirrored borders.

    Johnson et al. 2016, arXiv:1603.08155, as in Zhu et al. 2017, arXiv:1703.10593, appendix 7.2:
    9 blocks for 256×256, 6 for 128×128. It takes pictures of any size that 4 divides.
    """

    use: ClassVar[str] = "resnet_translator"

    norm: Norm = "instance"
    """After convolutions: over the batch, over each image without weights of its own, or none."""
    blocks: Annotated[int, Field(ge=0, le=64)] = 9
    """Residual blocks in the middle."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of zeros in the middle of each block."""
    multiple: ClassVar[int] = 4

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:  # noqa: ARG002
        """Return a module from ``[N, C', H, W]`` to ``[N, C, H, W]``.

        Raises:
            GanzooError: if 4 does not divide the sides.
        """
        from ganzoo_translation.modules import ResnetModule, scaled

        refuse_sides(image, 4, "two halvings")
        return scaled(
            ResnetModule(
                image.input_shape[0], image.channels, self.base_channels, self.blocks, self.norm,
                self.dropout,
            ),
            self.init_scale,
        )  # fmt: skip


class Patch(DiscriminatorSpec):
    """Judges patches that overlap, each by a logit: 70×70 pixels with 3 layers.

    Isola et al. 2017, arXiv:1611.07004, section 3.2.2. Its logits of all patches and images follow
    each other, so that any loss takes their mean.
    """

    use: ClassVar[str] = "patch"
    is_patchwise: ClassVar[bool] = True

    base_channels: Width = 64
    """Channels after the first convolution, doubled with each layer up to eight times."""
    layers: Annotated[int, Field(ge=1, le=8)] = 3
    """Convolutions that halve the sides."""
    norm: Norm = "batch"
    """After all but the first and the last: over the batch, over each image, or none."""
    init_scale: Scale = 0.02
    """Standard deviation of the first weights, around 0; 0 leaves them to torch."""

    def build(self, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, C, H, W]`` to logits ``[N · patches]``.

        Raises:
            GanzooError: if images are too small for so many layers.
        """
        from ganzoo_translation.modules import PatchModule, scaled

        side = min(image.height, image.width) >> self.layers
        if side < 3:
            raise GanzooError(
                f"discriminator.layers = {self.layers} leave nothing of images of {image.height}×"
                f"{image.width} to judge; use fewer"
            )
        network = PatchModule(image.channels, self.base_channels, self.layers, self.norm)
        return scaled(network, self.init_scale)


def refuse_sides(image: ImageShape, factor: int, why: str) -> None:
    """Raise GanzooError where a number does not divide the sides of images."""
    if image.height % factor or image.width % factor:
        raise GanzooError(
            f"{why}: {factor} divides height and width, and images are {image.height}×"
            f"{image.width}; use another dataset.size, or fewer levels"
        )
