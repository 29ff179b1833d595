"""Packs: the discriminator judges several images at once (Lin et al. 2018, arXiv:1712.04086)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ganzoo.api import GanzooError, ImageShape, ViewSpec

if TYPE_CHECKING:
    from torch import Tensor


class Pack(ViewSpec):
    """PacGAN, against mode collapse: judge several images at once, stacked as channels.

    Lin et al. 2018, arXiv:1712.04086, section 3: the discriminator D(x₁, …, xₘ) sees m real images
    or m fakes, and has m times as many input channels. A gradient penalty applies to whole packs.
    Images of a batch that do not fill a pack are left out.
    """

    use: ClassVar[str] = "pack"
    keeps_labels: ClassVar[bool] = False

    size: Annotated[int, Field(ge=2, le=8)] = 2
    """Images in a pack, m in the paper."""

    def shape(self, image: ImageShape) -> ImageShape:
        """Return the shape of a pack."""
        return replace(image, channels=image.channels * self.size)

    def apply(self, images: Tensor, which: Literal["real", "fake"]) -> Tensor:
        """Return ``[N // m, m · C, H, W]``.

        Raises:
            GanzooError: if the batch is smaller than one pack.
        """
        count = len(images) // self.size
        if not count:
            raise GanzooError(
                f"pack: {len(images)} {which} images do not make a pack of {self.size}; raise "
                "train.batch_size"
            )
        return images[: count * self.size].reshape(count, -1, *images.shape[2:])
