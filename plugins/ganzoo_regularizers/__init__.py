"""Built-in regularizers: penalties on the discriminator's slope, and weight clipping."""

from __future__ import annotations

from ganzoo.api import RegularizerSpec, hookimpl, on_demand

GANZOO_API = 1


@hookimpl
def ganzoo_regularizers() -> list[type[RegularizerSpec]]:
    """Supply the regularizers of this package."""
    from ganzoo_regularizers.dragan import Dragan
    from ganzoo_regularizers.gradient_penalty import GradientPenalty
    from ganzoo_regularizers.weight_clip import WeightClip
    from ganzoo_regularizers.zero_centered import R1, R2

    return [GradientPenalty, WeightClip, R1, R2, Dragan]


__getattr__ = on_demand(__name__, ganzoo_regularizers)
