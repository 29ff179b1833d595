"""Built-in views: what is done to real images and fakes before the discriminator sees them."""

from __future__ import annotations

from typing import Any

from ganzoo.api import ViewSpec, hookimpl

GANZOO_API = 1


@hookimpl
def ganzoo_views() -> list[type[ViewSpec]]:
    """Supply the views of this package."""
    from ganzoo_views.diffaugment import DiffAugment
    from ganzoo_views.flip import Flip
    from ganzoo_views.pack import Pack

    return [Flip, DiffAugment, Pack]


def __getattr__(name: str) -> Any:
    """Return a component's class: its module is imported when it is asked for."""
    # Names with a small letter are modules, which may just be about to be imported.
    hooks = (ganzoo_views,) if name[0].isupper() else ()
    found: dict[str, Any] = {spec.__name__: spec for hook in hooks for spec in hook()}
    if name not in found:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found[name]
