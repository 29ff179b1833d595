"""Built-in views: what is done to real images and fakes before the discriminator sees them."""

from __future__ import annotations

from ganzoo.api import ViewSpec, hookimpl, on_demand

GANZOO_API = 1


@hookimpl
def ganzoo_views() -> list[type[ViewSpec]]:
    """Supply the views of this package."""
    from ganzoo_views.diffaugment import DiffAugment
    from ganzoo_views.flip import Flip
    from ganzoo_views.pack import Pack

    return [Flip, DiffAugment, Pack]


__getattr__ = on_demand(__name__, ganzoo_views)
