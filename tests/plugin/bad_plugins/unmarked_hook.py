"""Forgets the decorator."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import Context, LossSpec, Terms


class Unmarked(LossSpec):
    """A loss that would be fine."""

    use: ClassVar[str] = "unmarked"

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"real": -ctx.real_logits.mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"fake": -ctx.fake_logits.mean()}


def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply it."""
    return [Unmarked]
