"""Built-in optimizers. Schedules and clipping are the core's: fields of every optimizer."""

from __future__ import annotations

from ganzoo.api import OptimizerSpec, hookimpl, on_demand

GANZOO_API = 1


@hookimpl
def ganzoo_optimizers() -> list[type[OptimizerSpec]]:
    """Supply the optimizers of this package."""
    from ganzoo_optimizers.adam import Adam
    from ganzoo_optimizers.rmsprop import Rmsprop
    from ganzoo_optimizers.sgd import Sgd

    return [Adam, Rmsprop, Sgd]


__getattr__ = on_demand(__name__, ganzoo_optimizers)
