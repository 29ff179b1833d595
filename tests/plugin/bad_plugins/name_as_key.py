"""Makes its name a key of the recipe."""

from __future__ import annotations

from ganzoo.api import Context, LossSpec, Terms, hookimpl


class Keyed(LossSpec):
    """A loss that would be fine."""

    use: str = "keyed"  # type: ignore[misc]
    """Not a class attribute."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"real": -ctx.real_logits.mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return one term."""
        return {"fake": -ctx.fake_logits.mean()}


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply it."""
    return [Keyed]
