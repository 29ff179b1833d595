"""Has a default that its own field refuses."""

from __future__ import annotations

from typing import ClassVar

from pydantic import PositiveFloat

from ganzoo.api import Context, LossSpec, Terms, hookimpl


class Negative(LossSpec):
    """A loss that would be fine."""

    use: ClassVar[str] = "negative"

    weight: PositiveFloat = -1.0
    """Weight."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"real": -ctx.real_logits.mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"fake": -ctx.fake_logits.mean()}


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply it."""
    return [Negative]
