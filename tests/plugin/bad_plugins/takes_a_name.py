"""Supplies a name that is taken."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import Context, LossSpec, Terms, hookimpl


class Late(LossSpec):
    """A loss that would be fine."""

    use: ClassVar[str] = "good_one"

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"real": -ctx.real_logits.mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"fake": -ctx.fake_logits.mean()}


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply it."""
    return [Late]
