"""Has a table inside that accepts unknown keys."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from ganzoo.api import Context, LossSpec, Terms, hookimpl


class Inner(BaseModel):
    """Open, as pydantic makes models."""

    depth: int = 1
    """Whatever."""


class Outer(LossSpec):
    """A loss that would be fine."""

    use: ClassVar[str] = "outer"

    inner: Inner = Inner()
    """A table."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"real": -ctx.real_logits.mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"fake": -ctx.fake_logits.mean()}


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply it."""
    return [Outer]
