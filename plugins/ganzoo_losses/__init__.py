"""Built-in losses: the games a generator and a discriminator play, on logits ``[N]``."""

from __future__ import annotations

from typing import Any

from ganzoo.api import LossSpec, hookimpl

GANZOO_API = 1


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply the losses of this package."""
    from ganzoo_losses.bce import Bce
    from ganzoo_losses.hinge import Hinge
    from ganzoo_losses.least_squares import LeastSquares
    from ganzoo_losses.relativistic import Relativistic
    from ganzoo_losses.wasserstein import Wasserstein

    return [Bce, Wasserstein, Hinge, LeastSquares, Relativistic]


def __getattr__(name: str) -> Any:
    """Return a component's class: its module is imported when it is asked for."""
    # Names with a small letter are modules, which may just be about to be imported.
    hooks = (ganzoo_losses,) if name[0].isupper() else ()
    found: dict[str, Any] = {spec.__name__: spec for hook in hooks for spec in hook()}
    if name not in found:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found[name]
