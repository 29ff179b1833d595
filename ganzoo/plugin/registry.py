"""All plugins of a process: found, loaded one by one, indexed, looked up by kind and name."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pluggy

from ganzoo.common.errors import GanzooError, suggest
from ganzoo.plugin.discovery import OWN, Broken, canonical, installed, is_blocked, names_of
from ganzoo.plugin.isolation import stdout_on_stderr
from ganzoo.plugin.kinds import KINDS, kind_named
from ganzoo.plugin.limits import seconds_allowed
from ganzoo.plugin.loader import Loader, Plugin, new_manager
from ganzoo.plugin.models import TrainedModel
from ganzoo.plugin.specs import Spec

__all__ = ["Broken", "Plugin", "Registry", "load_plugins"]

BLOCK_VARIABLE = "GANZOO_BLOCK"
"""Environment variable with names to block, separated by commas."""
NOT_INSTALLED = (
    "ganzoo's own plugins are not installed: run 'pip install -e .' in its source folder, or "
    f"'pip install {OWN}'"
)


def load_plugins(files: Sequence[Path] = (), block: Collection[str] = ()) -> Registry:
    """Load every installed plugin that is not blocked, then the user's files.

    ganzoo's own plugins come first, so that nobody can take their names; then the other entry
    points by name, then ``files`` in their order. An installed plugin that fails is set aside.

    Args:
        files: .py files; each is imported by its stem, with its folder appended to ``sys.path``.
        block: entry points or distributions to leave out, besides those that the environment's
            GANZOO_BLOCK names; '*' leaves out everything that is not ganzoo's own.

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
    with stdout_on_stderr():
        for candidate in candidates:
            if candidate not in blocked:
                loader.add_installed(candidate)
        for path, file in {file.expanduser().resolve(): file for file in files}.items():
            loader.add_file(path, file)
    return Registry(
        plugins=tuple(loader.plugins),
        broken=tuple(loader.broken),
        warnings=tuple(loader.warnings),
        blocked=tuple(dict.fromkeys(candidate.name for candidate in blocked)),
        manager=loader.manager,
        components=MappingProxyType(loader.components),
    )


@dataclass(frozen=True)
class Registry:
    """The plugins of a process and what they supply.

    Attributes:
        plugins: in the order they were loaded.
        broken: installed plugins that were set aside, and why.
        warnings: lines for the user, such as a plugin that changed the process.
        blocked: names of the plugins that were left out on request.
        manager: calls the hooks of everything that is loaded.
        components: the spec and its owner by (kind, use).
    """

    plugins: tuple[Plugin, ...] = ()
    broken: tuple[Broken, ...] = ()
    warnings: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    manager: pluggy.PluginManager = field(default_factory=new_manager)
    components: Mapping[tuple[str, str], tuple[type[Spec], Plugin]] = field(default_factory=dict)

    def specs(self, kind: str) -> Mapping[str, type[Spec]]:
        """Return the specs of a kind by their names, sorted.

        Raises:
            GanzooError: if there is no such kind.
        """
        kind_named(kind)
        names = sorted(use for its_kind, use in self.components if its_kind == kind)
        return MappingProxyType({use: self.components[kind, use][0] for use in names})

    def find(self, kind: str, use: str) -> type[Spec]:
        """Return the spec named ``use``.

        Raises:
            GanzooError: with the nearest name, and the broken plugins that may supply it.
        """
        return self._component(kind, use)[0]

    def owner(self, kind: str, use: str) -> Plugin:
        """Return the plugin that supplies ``use``, or raise as ``find`` does."""
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
