"""Mirror images, each with a given probability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ganzoo.api import ViewSpec

if TYPE_CHECKING:
    from torch import Tensor


class Flip(ViewSpec):
    """Mirror each image from left to right with a given probability, drawn anew at every step.

    On real images alone it is the usual augmentation of the data: fakes come out both ways, too.
    On all images, only the pair of an image and its mirror image has to be right.
    """

    use: ClassVar[str] = "flip"

    probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the images that are mirrored."""
    images: Literal["real", "all"] = "real"
    """Which images: the data's, or the generator's as well."""

    def apply(self, images: Tensor, which: Literal["real", "fake"]) -> Tensor:
        """Return ``[N, C, H, W]``."""
        import torch

        if which == "fake" and self.images == "real":
            return images
        draws = torch.rand(len(images), 1, 1, 1, device=images.device)
        return torch.where(draws < self.probability, images.flip(3), images)
