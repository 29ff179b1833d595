"""The step's discriminator as a module that is asked with labels, whether it takes them or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from ganzoo.api import Context


class Asked(nn.Module):
    """Ask through the context: it knows about labels and precision.

    ``functional_call`` puts other weights into the discriminator while it is asked.
    """

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self.discriminator = ctx.discriminator
        self._ask = ctx.outputs

    def forward(self, images: Tensor, labels: Tensor | None) -> Mapping[str, Tensor]:
        """Return everything the discriminator says of ``[N, C, H, W]``, by name."""
        return self._ask(images, labels)
