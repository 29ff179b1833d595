"""Instance noise: both distributions blurred (Sønderby et al. 2017, arXiv:1610.04490)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ganzoo.api import MovingNonNegative, ViewSpec

if TYPE_CHECKING:
    from torch import Tensor


class InstanceNoise(ViewSpec):
    """Add normal noise to real images and fakes, so that the two always overlap.

    Sønderby et al. 2017, arXiv:1610.04490, section 2.3 ('instance noise'), and Arjovsky & Bottou
    2017, arXiv:1701.04862, section 3. Let it fade out: ``std = { start = 0.1, end = 0.0, until =
    10000 }``. Values may leave the data's range.
    """

    use: ClassVar[str] = "instance_noise"

    std: MovingNonNegative = 0.1
    """Standard deviation σ of the noise, in units of the pixel values."""

    def apply(self, images: Tensor, which: Literal["real", "fake"]) -> Tensor:  # noqa: ARG002
        """Return the images with noise of their own each."""
        import torch

        return images + self.std * torch.randn_like(images)
