"""Breaks the contract in four ways at once."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import Context, LossSpec, RegularizerSpec, Terms, hookimpl


class CamelCase(LossSpec):
    use: ClassVar[str] = "CamelCase"

    def generator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"fake": -ctx.fake_logits.mean()}


class Idle(RegularizerSpec):
    """Does nothing, because its one method is misspelt."""

    use: ClassVar[str] = "idle"

    def discriminator_term(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"real": -ctx.real_logits.mean()}


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply it."""
    return [CamelCase]


@hookimpl
def ganzoo_regularizers() -> list[type[RegularizerSpec]]:
    """Supply it."""
    return [Idle]
