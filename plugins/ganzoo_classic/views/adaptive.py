"""How often a view acts, moved by how sure the discriminator is of real images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganzoo_classic.remembered import Remembered

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.api import Context


class Probability(Remembered):
    """p, and the signs of real logits since it moved last."""

    p: Tensor
    signs: Tensor
    images: Tensor
    updates: Tensor

    def __init__(self) -> None:
        super().__init__("p", "signs", "images", "updates")

    def observe(self, ctx: Context, target: float, length: float, interval: int) -> None:
        """Take in an update; move p at every ``interval``-th, by its images over ``length``.

        Karras et al. 2020, arXiv:2006.06676, section 3.1: r = E sign D(x), up where r is above the
        target and down where it is below, within [0, 1]. Nothing waits for the device.
        """
        self.signs.add_(ctx.real_logits.detach().sign().sum())
        self.images.add_(len(ctx.real_logits))
        self.updates.add_(1)
        is_due = self.updates >= interval
        step = (self.signs / self.images - target).sign() * self.images / length
        self.p.add_(step * is_due).clamp_(0, 1)
        for number in (self.signs, self.images, self.updates):
            number.masked_fill_(is_due, 0)
