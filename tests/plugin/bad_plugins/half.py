"""Supplies a good loss, then fails in its second hook: neither may stay."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import Context, LossSpec, RegularizerSpec, Terms, hookimpl


class Half(LossSpec):
    """A loss that would be fine."""

    use: ClassVar[str] = "half_loss"

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"real": -ctx.real_logits.mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"fake": -ctx.fake_logits.mean()}


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply it."""
    return [Half]


@hookimpl
def ganzoo_regularizers() -> list[type[RegularizerSpec]]:
    """Fail."""
    raise OSError("no regularizers today")
