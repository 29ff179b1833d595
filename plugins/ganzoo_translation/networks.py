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
    """Channels after the first convolution; deeper layers have multiples of it."""
    norm: Norm = "batch"
    """Normalisation after convolutions: over the batch, over each image (without weights), or \
none."""
    init_scale: Scale = 0.02
    """Standard deviation of the initial weights around 0; 0 uses torch's defaults."""

    def output_range(self) -> tuple[float, float] | None:
        """Return the range of tanh."""
        return (-1.0, 1.0)


class UNet(_Translator):
    """A U-Net: halve the image to a small map and double it again, with skip connections.

    Ronneberger et al. 2015, arXiv:1505.04597, as in Isola et al. 2017, arXiv:1611.07004, appendix
    6.1: 8 levels for 256×256. Dropout is on during training; with samples.mode = 'train' also on
    sheets, as in the paper's tests.
    """

    use: ClassVar[str] = "unet"

    levels: Annotated[int, Field(ge=2, le=10)] = 8
    """How often the image is halved; height and width must be multiples of 2 to this power."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Dropout on the way up, at the widest levels."""

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
    """Halve twice, residual blocks, double twice; borders are padded by reflection.

    Johnson et al. 2016, arXiv:1603.08155, as in Zhu et al. 2017, arXiv:1703.10593, appendix 7.2: 9
    blocks for 256×256, 6 for 128×128. Height and width must be multiples of 4.
    """

    use: ClassVar[str] = "resnet_translator"

    norm: Norm = "instance"
    """Normalisation after convolutions: over the batch, over each image (without weights), or \
none."""
    blocks: Annotated[int, Field(ge=0, le=64)] = 9
    """Residual blocks in the middle."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout in the middle of each block."""
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
    """Scores overlapping patches, each with its own logit: 70×70 pixels with 3 layers.

    Isola et al. 2017, arXiv:1611.07004, section 3.2.2. The logits of all patches and images are
    returned as one list, so any loss averages over them.
    """

    use: ClassVar[str] = "patch"
    is_patchwise: ClassVar[bool] = True

    base_channels: Width = 64
    """Channels after the first convolution; each layer doubles them, up to eight times as many."""
    layers: Annotated[int, Field(ge=1, le=8)] = 3
    """Convolutions that halve the sides."""
    norm: Norm = "batch"
    """Normalisation after all but the first and last layer: over the batch, over each image, or \
none."""
    init_scale: Scale = 0.02
    """Standard deviation of the initial weights around 0; 0 uses torch's defaults."""

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
