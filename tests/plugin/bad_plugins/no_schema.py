"""Has a field that no recipe can write."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from ganzoo.api import Context, LossSpec, Terms, hookimpl


class Calls(LossSpec):
    """A loss that would be fine."""

    use: ClassVar[str] = "calls"

    function: Callable[[int], int] = abs
    """Python code in a recipe."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"real": -ctx.real_logits.mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"fake": -ctx.fake_logits.mean()}


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply it."""
    return [Calls]
