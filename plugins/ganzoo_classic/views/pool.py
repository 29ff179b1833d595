"""Fakes that are kept to be shown as real images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganzoo_classic.views.adaptive import Probability

if TYPE_CHECKING:
    from ganzoo.api import ImageShape


class Pool(Probability):
    """The newest fakes, how many there are, and how often they are shown."""

    fakes: Tensor
    filled: Tensor

    def __init__(self, size: int, image: ImageShape) -> None:
        super().__init__()
        shape = (size, image.channels, image.height, image.width)
        self.register_buffer("fakes", torch.zeros(shape))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    def keep(self, images: Tensor) -> None:
        """Take the first images in, in place of the oldest."""
        new = images.detach()[: len(self.fakes)].to(self.fakes)
        self.fakes.copy_(torch.cat([new, self.fakes[: len(self.fakes) - len(new)]]))
        self.filled.add_(len(new)).clamp_(max=len(self.fakes))

    def mixed(self, images: Tensor) -> Tensor:
        """Return ``images`` with fakes in the place of some; none before there are fakes."""
        device, count = images.device, len(images)
        p = self.p * (self.filled > 0)
        is_replaced = torch.rand(count, device=device) < p
        # A product with numbers below 1: an upper bound that is on the device.
        at = (torch.rand(count, device=device) * self.filled).long().clamp(max=len(self.fakes) - 1)
        return torch.where(is_replaced.view(-1, 1, 1, 1), self.fakes[at].to(images), images)
