"""Built-in regularizers: penalties on the discriminator's slope, and weight clipping."""

from __future__ import annotations

from typing import Any

from ganzoo.api import RegularizerSpec, hookimpl

GANZOO_API = 1


@hookimpl
def ganzoo_regularizers() -> list[type[RegularizerSpec]]:
    """Supply the regularizers of this package."""
    from ganzoo_regularizers.dragan import Dragan
    from ganzoo_regularizers.gradient_penalty import GradientPenalty
    from ganzoo_regularizers.weight_clip import WeightClip
    from ganzoo_regularizers.zero_centered import R1, R2

    return [GradientPenalty, WeightClip, R1, R2, Dragan]


def __getattr__(name: str) -> Any:
    """Return a component's class: its module is imported when it is asked for."""
    # Names with a small letter are modules, which may just be about to be imported.
    hooks = (ganzoo_regularizers,) if name[0].isupper() else ()
    found: dict[str, Any] = {spec.__name__: spec for hook in hooks for spec in hook()}
    if name not in found:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found[name]
