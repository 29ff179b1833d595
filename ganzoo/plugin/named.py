"""What the name of a plugin or component stands for; only that much is imported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo.common.errors import GanzooError, suggest

if TYPE_CHECKING:
    from ganzoo.plugin.loader import Plugin
    from ganzoo.plugin.registry import Registry
    from ganzoo.plugin.specs import Spec


def meant(registry: Registry, target: str | Path) -> tuple[list[type[Spec]], list[Plugin]]:
    """Return the specs a name or file stands for, and the plugin where it stands for a whole one.

    Raises:
        GanzooError: if it stands for nothing.
    """
    text = str(target)
    path = Path(text).expanduser().resolve() if text.endswith(".py") else None
    for plugin in registry.plugins:
        if text in {plugin.name, plugin.distribution} or (path is not None and plugin.path == path):
            plugins = [each for each in registry.plugins if text in {each.name, each.distribution}]
            plugins = plugins or [plugin]
            specs = [registry.find(*each) for one in plugins for each in one.components]
            return specs, plugins
    for broken in registry.broken:
        if text in {broken.name, broken.distribution}:
            raise GanzooError(f"plugin {text!r} cannot be loaded: {broken}")
    kind, _, use = text.rpartition(".")
    found = [each for each in registry.components if each[1] == use and kind in {"", each[0]}]
    if not found:
        names = [plugin.name for plugin in registry.plugins]
        names += [use for _, use in registry.components]
        near = suggest(text, names, then="list those that are installed with: ganzoo plugins")
        raise GanzooError(f"no plugin or component named {text!r}{near}")
    return [registry.find(*each) for each in found], []
