"""Built-in views: what is done to real images and fakes before the discriminator sees them."""

from __future__ import annotations

from ganzoo.api import ViewSpec, hookimpl
from ganzoo_views.diffaugment import DiffAugment
from ganzoo_views.flip import Flip
from ganzoo_views.pack import Pack

GANZOO_API = 1


@hookimpl
def ganzoo_views() -> list[type[ViewSpec]]:
    """Supply the views of this package."""
    return [Flip, DiffAugment, Pack]
