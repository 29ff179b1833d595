"""Adaptive discriminator augmentation (Karras et al. 2020, arXiv:2006.06676)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from ganzoo.api import Context, GanzooError, ImageShape, OrRamp, ViewSpec

if TYPE_CHECKING:
    from torch import Tensor, nn


class Ada(ViewSpec):
    """StyleGAN2-ADA's augmentation: the more the discriminator overfits, the more often.

    Karras et al. 2020, arXiv:2006.06676, section 3.1: every transformation is applied to an image
    with probability p, which starts at 0. It increases while r = E sign D(x) of real images is
    above the target, and decreases while r is below. p is in the log and in every checkpoint.

    The pipe is the paper's 'bgc' (appendix B): flips, quarter turns and whole shifts; scaling,
    turning, stretching and fractional shifts; brightness, contrast, luma flip, hue and saturation.
    Geometry is a single bilinear sampling of images with mirrored borders, where the authors use
    wavelet filters. If images are not RGB, each channel is changed in brightness, contrast and luma
    flip. It only uses gathers and products, so it is twice differentiable on every device.
    """

    use: ClassVar[str] = "ada"
    logged: ClassVar[tuple[str, ...]] = ("p",)

    target: Annotated[float, Field(ge=-1, le=1), OrRamp] = 0.6
    """Target of r."""
    images: PositiveFloat = 500_000
    """Number of real images in which p can move from 0 to 1."""
    interval: PositiveInt = 4
    """Discriminator updates between changes of p."""
    blit: bool = True
    """Flips, quarter turns, whole shifts."""
    geometry: bool = True
    """Scaling, turning, stretching, fractional shifts."""
    colour: bool = True
    """Brightness, contrast, luma flip; for RGB images also hue and saturation."""

    def shape(self, image: ImageShape) -> ImageShape:
        """Return the same.

        Raises:
            GanzooError: if colours are flipped and 0 is not in the middle of their values.
        """
        if self.colour and image.low + image.high != 0:
            raise GanzooError(
                f"{self.use}: colours are changed around 0, and the images' values are from "
                f"{image.low:g} to {image.high:g}; set dataset.value_range = 'symmetric' or "
                "colour = false"
            )
        return image

    def module(self, latent_size: int, image: ImageShape) -> nn.Module:  # noqa: ARG002
        """Return p, from 0."""
        from ganzoo_classic.views.adaptive import Probability

        return Probability()

    def apply(self, images: Tensor, which: Literal["real", "fake"], own: Any) -> Tensor:  # type: ignore[override]  # noqa: ARG002
        """Return the augmented images."""
        from ganzoo_classic.views.pipe import augmented

        p = own.value("p").to(images)
        return augmented(images, p, blit=self.blit, geometry=self.geometry, colour=self.colour)

    def observe(self, ctx: Context) -> None:
        """Move p."""
        ctx.own.observe(ctx, self.target, self.images, self.interval)
