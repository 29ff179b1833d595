"""What is meant by a target: a class, a spec, a file, or the name of a plugin or component."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo.common.errors import GanzooError
from ganzoo.plugin import registry as registries
from ganzoo.plugin.hooks import API_VERSION
from ganzoo.plugin.kinds import KINDS
from ganzoo.plugin.loader import Plugin
from ganzoo.plugin.named import meant
from ganzoo.plugin.specs import Spec
from ganzoo.testing import specs as tables
from ganzoo.testing.claims import untried
from ganzoo.testing.examples import UntriedError, example
from ganzoo.testing.findings import Case, Note, Target
from ganzoo.testing.scene import still
from ganzoo.testing.verbs import of_verb

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry


def cases(target: Target, options: Mapping[str, Any]) -> list[Case]:
    """Return the checks of all components that ``target`` means.

    Raises:
        GanzooError: if there is no such plugin, component or file.
    """
    if isinstance(target, Spec | type):
        return _of_component(target, options)
    is_file = isinstance(target, Path) or target.endswith(".py")
    found = registries.load_plugins([Path(target)] if is_file else [])
    return of_names(found, target, options)


def of_names(registry: Registry, target: str | Path, options: Mapping[str, Any]) -> list[Case]:
    """Return the checks of a plugin or component that is in ``registry``."""
    specs, plugins = meant(registry, target)
    made = [case for plugin in plugins for case in _of_plugin(plugin, specs)]
    return made + [case for spec in specs for case in _of_component(spec, options)]


def _of_plugin(plugin: Plugin, specs: Sequence[type[Spec]]) -> list[Case]:
    """A plugin that is loaded has passed the checks of loading; these are the others."""

    def light() -> Iterator[str]:
        told: dict[str, None] = {}
        for spec in specs:
            told |= dict.fromkeys(tables.heavy_imports(spec))
        # A file is named by the commands that use it; a package is loaded by every command.
        yield from told if plugin.source != "file" else map(Note, told)

    def version() -> Iterator[str]:
        modules = {spec.__module__.partition(".")[0] for spec in specs}
        modules |= {verb.place.partition(":")[0].partition(".")[0] for verb in plugin.verbs}
        if modules and not any(hasattr(sys.modules.get(name), "GANZOO_API") for name in modules):
            yield Note(
                f"GANZOO_API = {API_VERSION} in its module would let another ganzoo say clearly "
                "that it does not fit"
            )

    who = f"plugin '{plugin.name}'"
    of_verbs = [case for verb in plugin.verbs for case in of_verb(verb)]
    return [
        Case(who, "imports nothing heavy when it is loaded", lambda: list(light())),
        Case(who, "says which plugin API it was made for", lambda: list(version())),
        *of_verbs,
    ]


def _of_component(target: Spec | type[Spec], options: Mapping[str, Any]) -> list[Case]:
    if isinstance(target, type) and not (issubclass(target, Spec) and target.kind in KINDS):
        raise GanzooError(
            f"{target.__name__} is not a component: derive it from a spec of ganzoo.api"
        )
    try:
        spec = example(target) if isinstance(target, type) else target
    except UntriedError as reason:
        return [untried(target, str(reason))]
    module = import_module(KINDS[spec.kind].checks)
    own = {name: value for name, value in options.items() if name in KINDS[spec.kind].asked}
    found: list[Case] = module.cases(still(spec), **own)
    return tables.cases(spec) + found
