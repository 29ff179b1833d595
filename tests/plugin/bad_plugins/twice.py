"""Supplies the same name twice."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import Context, LossSpec, Terms, hookimpl


class Twin(LossSpec):
    """A loss that would be fine."""

    use: ClassVar[str] = "twin"

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"real": -ctx.real_logits.mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"fake": -ctx.fake_logits.mean()}


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply it."""
    return [Twin, Twin]
