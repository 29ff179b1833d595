"""All plugins of a process: found, loaded one by one, indexed, looked up by kind and name."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pluggy

from ganzoo.common.errors import GanzooError, suggest
from ganzoo.plugin.discovery import (
    OWN,
    Broken,
    Candidate,
    canonical,
    installed,
    is_blocked,
    names_of,
)
from ganzoo.plugin.index import Index, Promise
from ganzoo.plugin.isolation import stdout_on_stderr
from ganzoo.plugin.kinds import KINDS, kind_named
from ganzoo.plugin.limits import seconds_allowed
from ganzoo.plugin.loader import Loader, Plugin, new_manager
from ganzoo.plugin.models import TrainedModel

if TYPE_CHECKING:
    from ganzoo.plugin.specs import Spec

__all__ = ["Broken", "Plugin", "Registry", "load_plugins"]

BLOCK_VARIABLE = "GANZOO_BLOCK"
"""Environment variable with names to block, separated by commas."""
NOT_INSTALLED = (
    "ganzoo's own plugins are not installed: run 'pip install -e .' in its source folder, or "
    f"'pip install {OWN}'"
)


def load_plugins(
    files: Sequence[Path] = (), block: Collection[str] = (), *, from_index: bool = True
) -> Registry:
    """Load every installed plugin that is not blocked, then the user's files.

    ganzoo's own plugins come first, so that nobody can take their names; then the other entry
    points by name, then ``files`` in their order. An installed plugin that fails is set aside.

    Args:
        files: .py files; each is imported by its stem, with its folder appended to ``sys.path``.
        block: entry points or distributions to leave out, besides those that the environment's
            GANZOO_BLOCK names; '*' leaves out everything that is not ganzoo's own.
        from_index: whether ganzoo's own plugins are imported when something of theirs is asked
            for, where their names are known; see ``index``.

    Raises:
        PluginError: naming file, line and reason, if one of ``files`` cannot be loaded.
    """
    candidates, unreadable = installed()
    candidates.sort(key=lambda each: each.order)
    names = {name.strip() for name in [*block, *os.environ.get(BLOCK_VARIABLE, "").split(",")]}
    blocked = [candidate for candidate in candidates if is_blocked(candidate, names)]
    loader = Loader(seconds_allowed(), unreadable)
    if not any(candidate.is_own for candidate in candidates):
        loader.warnings.append(NOT_INSTALLED)
    known = {name for candidate in candidates for name in names_of(candidate)}
    loader.warnings += [
        f"no plugin named {name!r} to block{suggest(name, known)}"
        for name in sorted(names - {"", "*"})
        if canonical(name) not in known
    ]
    index = Index([candidate for candidate in candidates if candidate.is_own])
    remembered = index.read() if from_index else {}
    own: list[Candidate] = []
    others: list[Candidate] = []
    for candidate in candidates:
        if candidate not in blocked:
            (own if candidate.is_own else others).append(candidate)
    with stdout_on_stderr():
        for candidate in own:
            if candidate.name in remembered:
                known_one = remembered[candidate.name]
                loader.add_known(known_one.plugin, known_one.later)
            else:
                loader.add_installed(candidate)
        if own and loader.is_plain and not remembered and not any(one.is_own for one in blocked):
            remember(index, loader)
        for candidate in others:
            loader.add_installed(candidate)
        for path, file in {file.expanduser().resolve(): file for file in files}.items():
            loader.add_file(path, file)
    return Registry(
        plugins=tuple(loader.plugins),
        broken=tuple(loader.broken),
        warnings=tuple(loader.warnings),
        blocked=tuple(dict.fromkeys(candidate.name for candidate in blocked)),
        managed=loader.complete_manager,
        components=components_of(
            loader,
            [promise for known in remembered.values() for promise in known.promises],
            lambda: really_loaded(index, files, block),
        ),
    )


Found = Mapping[tuple[str, str], "tuple[type[Spec], Plugin]"]


def remember(index: Index, loader: Loader) -> None:
    """Write an index of what was loaded, which need not be before it is asked for something."""
    specs: dict[str, list[type[Spec]]] = {each.name: [] for each in loader.plugins}
    for spec, plugin in loader.components.values():
        if spec is not None:
            specs[plugin.name].append(spec)
    index.write(loader.plugins, specs, loader.has_later_hooks)


def really_loaded(index: Index, files: Sequence[Path], block: Collection[str]) -> Found:
    """Return all components, of plugins that are loaded as if there were no index."""
    index.forget()
    return load_plugins(files, block, from_index=False).components


def components_of(
    loader: Loader, promises: Iterable[Promise], reload: Callable[[], Found]
) -> Found:
    """Return all components by kind and name; those that are promised are imported when wanted."""
    wanted = {(each.kind, each.use): each for each in promises}
    loaded = {key: (spec, plugin) for key, (spec, plugin) in loader.components.items() if spec}
    promised = {
        key: (wanted[key], plugin)
        for key, (spec, plugin) in loader.components.items()
        if spec is None
    }
    return Components(loaded, promised, reload) if promised else MappingProxyType(loaded)


class Components(Mapping[tuple[str, str], "tuple[type[Spec], Plugin]"]):
    """Components of which some are only promised: imported when they are asked for.

    A promise that is not kept has all plugins loaded. A name that is not there has not: an index
    has all names of its plugins, and the other plugins are loaded.

    Args:
        reload: returns all components, loaded.
    """

    def __init__(
        self,
        loaded: dict[tuple[str, str], tuple[type[Spec], Plugin]],
        promised: dict[tuple[str, str], tuple[Promise, Plugin]],
        reload: Callable[[], Found],
    ) -> None:
        self._loaded, self._promised, self._reload = loaded, promised, reload

    def __getitem__(self, key: tuple[str, str]) -> tuple[type[Spec], Plugin]:
        """Return a component and its owner."""
        if key in self._promised:
            promise, plugin = self._promised[key]
            with stdout_on_stderr():
                spec = promise.kept()
            if spec is None:
                self._loaded, self._promised = dict(self._reload()), {}
            else:
                self._loaded[key] = spec, plugin
                del self._promised[key]
        return self._loaded[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield the keys, in the order of plugins."""
        yield from dict.fromkeys([*self._loaded, *self._promised])

    def __len__(self) -> int:
        """Return how many there are."""
        return len({*self._loaded, *self._promised})

    def __contains__(self, key: object) -> bool:
        """Tell whether there is one of that kind and name, and import nothing for it."""
        return key in self._loaded or key in self._promised

    def owner(self, key: tuple[str, str]) -> Plugin:
        """Return whose one is, and import nothing for it."""
        return self._promised[key][1] if key in self._promised else self._loaded[key][1]

    def about(self, key: tuple[str, str]) -> str:
        """Return what one is about, in a line; '' where that is not known before it is imported."""
        return self._promised[key][0].about if key in self._promised else ""


class Specs(Mapping[str, "type[Spec]"]):
    """The specs of a kind by their names, sorted."""

    def __init__(self, kind: str, components: Found) -> None:
        self._kind, self._components = kind, components
        self._names = sorted(use for its_kind, use in components if its_kind == kind)

    def __getitem__(self, use: str) -> type[Spec]:
        """Return the spec of that name."""
        if (self._kind, use) not in self._components:
            raise KeyError(use)
        return self._components[self._kind, use][0]

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._names)

    def __contains__(self, use: object) -> bool:
        """Tell whether there is one of that name, and import nothing for it."""
        return (self._kind, use) in self._components


@dataclass(frozen=True)
class Registry:
    """The plugins of a process and what they supply.

    Attributes:
        plugins: in the order they were loaded.
        broken: installed plugins that were set aside, and why.
        warnings: lines for the user, such as a plugin that changed the process.
        blocked: names of the plugins that were left out on request.
        managed: returns the manager, after loading what is not loaded and has hooks for runs.
        components: the spec and its owner by (kind, use).
    """

    plugins: tuple[Plugin, ...] = ()
    broken: tuple[Broken, ...] = ()
    warnings: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    managed: Callable[[], pluggy.PluginManager] = new_manager
    components: Mapping[tuple[str, str], tuple[type[Spec], Plugin]] = field(default_factory=dict)

    @property
    def manager(self) -> pluggy.PluginManager:
        """The manager: it calls the hooks of plugins, but may lack those that only supply parts."""
        return self.managed()

    def specs(self, kind: str) -> Mapping[str, type[Spec]]:
        """Return the specs of a kind by their names, sorted.

        Raises:
            GanzooError: if there is no such kind.
        """
        kind_named(kind)
        return Specs(kind, self.components)

    def about(self, kind: str, use: str) -> str:
        """Return the first line of a component's docstring; nothing is imported for it."""
        known = self.components
        if isinstance(known, Components) and (text := known.about((kind, use))):
            return text
        from ganzoo.plugin.describe import summary

        return summary(self.find(kind, use))

    def find(self, kind: str, use: str) -> type[Spec]:
        """Return the spec named ``use``.

        Raises:
            GanzooError: with the nearest name, and the broken plugins that may supply it.
        """
        return self._component(kind, use)[0]

    def owner(self, kind: str, use: str) -> Plugin:
        """Return the plugin that supplies ``use``, or raise as ``find`` does."""
        if isinstance(self.components, Components) and (kind, use) in self.components:
            return self.components.owner((kind, use))
        return self._component(kind, use)[1]

    def models(self) -> Mapping[str, tuple[TrainedModel, Plugin]]:
        """Return the trained models by their names, each with the plugin that ships it."""
        return {model.name: (model, plugin) for plugin in self.plugins for model in plugin.models}

    def unmet(self, requires: Iterable[str]) -> tuple[str, ...]:
        """Say why each plugin or distribution in ``requires`` that is not loaded is not."""
        there = {name for plugin in self.plugins for name in names_of(plugin)}
        missing = [name for name in dict.fromkeys(requires) if canonical(name) not in there]
        return tuple(f"needs plugin {name!r}, which {self._fate(name)}" for name in missing)

    def _fate(self, name: str) -> str:
        for broken in self.broken:
            if canonical(name) in names_of(broken):
                return f"failed to load: {broken}"
        if canonical(name) in map(canonical, self.blocked):
            return "is blocked"
        return f"is not installed; try 'pip install {name}'"

    def _component(self, kind: str, use: str) -> tuple[type[Spec], Plugin]:
        found = self.components.get((kind, use))
        if found is None:
            raise GanzooError(self._missing(kind, use))
        return found

    def _missing(self, kind: str, use: str) -> str:
        names = self.specs(kind)
        parts = [f"no {kind} named {use!r}"]
        elsewhere = [other for other in KINDS if (other, use) in self.components]
        if elsewhere:
            parts.append(f"{use!r} names {' and '.join(map(_with_article, elsewhere))}")
        elif near := suggest(use, names):
            parts[0] += near
        elif names:
            parts.append(f"there {'is' if len(names) == 1 else 'are'} {_quoted(names)}")
            parts.append("for one in your own file, add --plugin FILE")
        if self.broken:
            count = f"{len(self.broken)} plugin{'s' if len(self.broken) > 1 else ''}"
            named = ", ".join(map(str, self.broken[:3])) + (", …" if len(self.broken) > 3 else "")
            parts.append(f"{count} failed to load and may provide it: {named}")
        if self.blocked:
            parts.append(f"blocked: {_quoted(self.blocked)}")
        if NOT_INSTALLED in self.warnings:
            parts.append(NOT_INSTALLED)
        return "; ".join(parts) + (
            f" (list them: ganzoo {'plugins' if self.broken or self.blocked else f'list {kind}'})"
        )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
