"""R1 and R2: squared slopes at real and fake images (Mescheder et al. 2018, arXiv:1801.04406)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ganzoo.api import Context, MovingNonNegative, RegularizerSpec, Terms

Place = Literal["images", "view"]

if TYPE_CHECKING:
    from torch import Tensor


class R1(RegularizerSpec):
    """R1: penalise the discriminator's gradient at real images.

    Mescheder et al. 2018, arXiv:1801.04406, equation 9: γ/2 E ‖∇D(x)‖², squared over all channels
    and pixels of an image. With a view T it is ‖∇D(T(x))‖² at x, as in the code of StyleGAN2-ADA,
    DiffAugment and R3GAN. A pack of images counts as one image, with the gradient at all of them.
    """

    use: ClassVar[str] = "r1"
    needs: ClassVar[frozenset[str]] = frozenset({"real_gradient"})
    second_order: ClassVar[bool] = True

    weight: MovingNonNegative = 10.0
    """Twice the factor of the penalty, γ in the paper."""
    at: Place = "images"
    """Where the gradient is taken: at the plain images, through the views, or at what the views \
show."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'r1'."""
        return {self.use: self.weight / 2 * _mean_square(ctx.image_gradient("real", self.at))}


class R2(RegularizerSpec):
    """R2: penalise the discriminator's gradient at fakes.

    Mescheder et al. 2018, arXiv:1801.04406, equation 10: γ/2 E ‖∇D(G(z))‖². The gradient is with
    respect to the images, not the generator: R2 belongs to the discriminator's half. For views, see
    R1.
    """

    use: ClassVar[str] = "r2"
    needs: ClassVar[frozenset[str]] = frozenset({"fake_gradient"})
    second_order: ClassVar[bool] = True

    weight: MovingNonNegative = 10.0
    """Twice the factor of the penalty, γ in the paper."""
    at: Place = "images"
    """Where the gradient is taken: at the plain images, through the views, or at what the views \
show."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'r2'."""
        return {self.use: self.weight / 2 * _mean_square(ctx.image_gradient("fake", self.at))}


def _mean_square(gradient: Tensor) -> Tensor:
    """Return the mean over what is scored of the squared norm of ``[N, C, H, W]``."""
    return gradient.square().sum() / len(gradient)
