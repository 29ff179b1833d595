"""The relativistic average hinge game, as a package of its own."""

from ganzoo.api import LossSpec, hookimpl
from ganzoo_example_loss.loss import RelativisticHinge

GANZOO_API = 1


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply the loss of this package."""
    return [RelativisticHinge]
