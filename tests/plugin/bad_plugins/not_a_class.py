"""Supplies an instance, and a class of another kind."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import Context, LossSpec, Terms, hookimpl


class Instance(LossSpec):
    """A loss that would be fine."""

    use: ClassVar[str] = "instance"

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"real": -ctx.real_logits.mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"fake": -ctx.fake_logits.mean()}


@hookimpl
def ganzoo_generators() -> list[object]:
    """Supply what are no generators."""
    return [Instance(), Instance]
