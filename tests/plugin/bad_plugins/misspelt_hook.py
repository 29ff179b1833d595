"""Misspells a hook's name."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import Context, LossSpec, Terms, hookimpl


class Misspelt(LossSpec):
    """A loss that would be fine."""

    use: ClassVar[str] = "misspelt"

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"real": -ctx.real_logits.mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"fake": -ctx.fake_logits.mean()}


@hookimpl
def ganzoo_loses() -> list[type[LossSpec]]:
    """Supply it."""
    return [Misspelt]
