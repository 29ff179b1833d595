"""Wants a later version of the plugin contract."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import Context, LossSpec, Terms, hookimpl

GANZOO_API = 2


class Future(LossSpec):
    """A loss that would be fine."""

    use: ClassVar[str] = "future"

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"real": -ctx.real_logits.mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"fake": -ctx.fake_logits.mean()}


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply it."""
    return [Future]
