"""Fails when its hook is called."""

from ganzoo.api import LossSpec, hookimpl


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Fail."""
    raise KeyError("losses")
