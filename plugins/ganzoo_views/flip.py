"""Mirror images, each with a given probability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ganzoo.api import ViewSpec

if TYPE_CHECKING:
    from torch import Tensor


class Flip(ViewSpec):
    """Mirror each image from left to right with a given probability, drawn again at every step.

    Applied to real images only, it is the usual data augmentation: fakes come out both ways, too.
    Applied to all images, only the pair of an image and its mirror image has to look real.
    """

    use: ClassVar[str] = "flip"

    probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Probability that an image is mirrored."""
    images: Literal["real", "all"] = "real"
    """Which images to mirror: only real images, or also fakes."""

    def apply(self, images: Tensor, which: Literal["real", "fake"]) -> Tensor:
        """Return ``[N, C, H, W]``."""
        import torch

        if which == "fake" and self.images == "real":
            return images
        draws = torch.rand(len(images), 1, 1, 1, device=images.device)
        return torch.where(draws < self.probability, images.flip(3), images)
