"""Built-in losses: the games a generator and a discriminator play, on logits ``[N]``."""

from __future__ import annotations

from ganzoo.api import LossSpec, hookimpl, on_demand

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


__getattr__ = on_demand(__name__, ganzoo_losses)
