"""Differentiable augmentation of real images and fakes (Zhao et al. 2020, arXiv:2006.10738)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ganzoo.api import ViewSpec

if TYPE_CHECKING:
    from torch import Tensor

Policy = Literal["color", "translation", "cutout"]


class DiffAugment(ViewSpec):
    """DiffAugment: differentiable augmentation of everything the discriminator sees.

    Zhao et al. 2020, arXiv:2006.10738, equations 4 to 6: the same kind of transformation T for real
    images and fakes, in the generator's half too, so that the discriminator cannot memorize the
    data. Ranges are those of the authors' code, with one draw per image: brightness ± 0.5,
    saturation × [0, 2), contrast × [0.5, 1.5), translation by up to an eighth of the side with
    zeros moving in, and a square of half the side set to zero.
    """

    use: ClassVar[str] = "diffaugment"

    policy: Annotated[list[Policy], Field(min_length=1, max_length=3)] = [  # noqa: RUF012
        "color",
        "translation",
        "cutout",
    ]
    """Augmentations to apply, in this order."""

    def apply(self, images: Tensor, which: Literal["real", "fake"]) -> Tensor:  # noqa: ARG002
        """Return ``[N, C, H, W]``; colours may leave the value range, as in the authors' code."""
        from ganzoo_views.augmentations import AUGMENTATIONS

        for name in self.policy:
            images = AUGMENTATIONS[name](images)
        return images
