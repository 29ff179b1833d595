"""Built-in optimizers. Schedules and clipping are the core's: fields of every optimizer."""

from __future__ import annotations

from typing import Any

from ganzoo.api import OptimizerSpec, hookimpl

GANZOO_API = 1


@hookimpl
def ganzoo_optimizers() -> list[type[OptimizerSpec]]:
    """Supply the optimizers of this package."""
    from ganzoo_optimizers.adam import Adam
    from ganzoo_optimizers.rmsprop import Rmsprop
    from ganzoo_optimizers.sgd import Sgd

    return [Adam, Rmsprop, Sgd]


def __getattr__(name: str) -> Any:
    """Return a component's class: its module is imported when it is asked for."""
    # Names with a small letter are modules, which may just be about to be imported.
    hooks = (ganzoo_optimizers,) if name[0].isupper() else ()
    found: dict[str, Any] = {spec.__name__: spec for hook in hooks for spec in hook()}
    if name not in found:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found[name]
