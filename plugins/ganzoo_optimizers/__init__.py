"""Built-in optimizers. Schedules and clipping are the core's: fields of every optimizer."""

from __future__ import annotations

from ganzoo.api import OptimizerSpec, hookimpl
from ganzoo_optimizers.adam import Adam
from ganzoo_optimizers.rmsprop import Rmsprop
from ganzoo_optimizers.sgd import Sgd

GANZOO_API = 1


@hookimpl
def ganzoo_optimizers() -> list[type[OptimizerSpec]]:
    """Supply the optimizers of this package."""
    return [Adam, Rmsprop, Sgd]
