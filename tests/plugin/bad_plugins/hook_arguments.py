"""Asks for an argument that its hook does not have."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import Context, LossSpec, Terms, hookimpl


class Asks(LossSpec):
    """A loss that would be fine."""

    use: ClassVar[str] = "asks"

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"real": -ctx.real_logits.mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"fake": -ctx.fake_logits.mean()}


@hookimpl
def ganzoo_losses(config: dict[str, str]) -> list[type[LossSpec]]:  # noqa: ARG001
    """Supply it."""
    return [Asks]
