"""Accepts unknown keys."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict

from ganzoo.api import Context, LossSpec, Terms, hookimpl


class Lax(LossSpec):
    """A loss that would be fine."""

    model_config = ConfigDict(extra="ignore", strict=False)
    use: ClassVar[str] = "lax"

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"real": -ctx.real_logits.mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"fake": -ctx.fake_logits.mean()}


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply it."""
    return [Lax]
