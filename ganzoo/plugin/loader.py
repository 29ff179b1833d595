"""Plugins loaded one by one, each in isolation: all of it, or nothing."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pluggy

from ganzoo.common.errors import MachineError, PluginError, printable, say
from ganzoo.plugin import hooks, models, verbs
from ganzoo.plugin.discovery import Broken, Candidate, local, sha256_of
from ganzoo.plugin.hooks import API_VERSION
from ganzoo.plugin.isolation import restore, snapshot, stdout_on_stderr
from ganzoo.plugin.kinds import KINDS
from ganzoo.plugin.limits import (
    PATIENCE,
    SECONDS_VARIABLE,
    Starved,
    TooSlow,
    signals_noted,
    time_limit,
)
from ganzoo.plugin.models import TrainedModel
from ganzoo.plugin.verbs import Verb

if TYPE_CHECKING:
    from ganzoo.plugin.specs import Spec


@dataclass(frozen=True)
class Plugin:
    """A plugin that is loaded.

    Attributes:
        name: of its entry point, or the stem of its file.
        distribution: what to ``pip install`` for it; empty for a file.
        version: of the distribution; empty for a file.
        source: 'entry point' or 'file'.
        path: its file, or the folder of its package.
        sha256: of the file's bytes, or over all .py files of the package; empty where it has none.
        components: (kind, use) of everything it supplies.
        verbs: what it adds to the command line.
        models: the trained generators that it ships.
    """

    name: str
    distribution: str
    version: str
    source: str
    path: Path | None
    sha256: str
    components: tuple[tuple[str, str], ...]
    verbs: tuple[Verb, ...] = ()
    models: tuple[TrainedModel, ...] = ()

    @property
    def origin(self) -> str:
        """Where it comes from, for people: ``ganzoo-hinge 0.3``, or the path of its file."""
        if self.source == "file":
            return str(self.path)
        return f"{self.distribution} {self.version}".strip()


def new_manager() -> pluggy.PluginManager:
    """Return a manager that knows ganzoo's hooks and no plugin yet."""
    manager = pluggy.PluginManager("ganzoo")
    specified = ModuleType("hooks")
    vars(specified).update(hooks.known())
    manager.add_hookspecs(specified)
    return manager


class Loader:
    """What is loaded so far, in lists that grow."""

    def __init__(self, seconds: float, broken: Iterable[Broken] = ()) -> None:
        self.seconds = seconds
        """Time limit of each plugin."""
        self.manager = new_manager()
        self.plugins: list[Plugin] = []
        self.broken = list(broken)
        self.warnings: list[str] = []
        self.components: dict[tuple[str, str], tuple[type[Spec] | None, Plugin]] = {}
        """None for the spec of one that is known and not imported."""
        self._later: list[Candidate] = []

    def add_known(self, plugin: Plugin, candidate: Candidate | None = None) -> None:
        """Take a plugin as loaded whose components are imported when they are asked for.

        Args:
            candidate: given where it has hooks beside those that say what it supplies.
        """
        self.plugins.append(plugin)
        self.components |= dict.fromkeys(plugin.components, (None, plugin))
        if candidate is not None:
            self._later.append(candidate)

    def complete_manager(self) -> pluggy.PluginManager:
        """Return the manager, with the hooks of known plugins that a run calls.

        Raises:
            PluginError: if a plugin that could be loaded before no longer can.
        """
        while self._later:
            candidate = self._later.pop(0)
            with stdout_on_stderr(), self._process_unchanged(candidate) as is_stop:
                try:
                    self.manager.register(candidate.load()[0], candidate.key)
                except BaseException as error:
                    if is_stop(error):
                        raise
                    raise PluginError(
                        f"plugin {candidate.name!r} ({candidate.origin}) cannot be loaded: "
                        f"{say(error)}"
                    ) from error
        return self.manager

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to tell of what was loaded so far."""
        return not self.broken and not self.warnings

    def has_later_hooks(self, plugin: Plugin) -> bool:
        """Return whether a plugin has hooks beside those that say what it supplies."""
        at_once = {verbs.HOOK, models.HOOK, *(kind.hook for kind in KINDS.values())}
        return any(
            implementation.plugin_name.partition(" = ")[0] == plugin.name
            for name in hooks.known().keys() - at_once
            for implementation in getattr(self.manager.hook, name).get_hookimpls()
        )

    def add_installed(self, candidate: Candidate) -> None:
        """Load an installed plugin, or set it aside."""
        with self._process_unchanged(candidate) as is_stop:
            try:
                self._add(candidate)
            except BaseException as error:  # sys.exit() in a plugin, too
                if is_stop(error):
                    raise
                self._blame_the_machine(error, candidate)
                name, distribution = candidate.name, candidate.distribution
                self.broken.append(Broken(name, candidate.origin, say(error), distribution))

    def add_file(self, path: Path, given: Path) -> None:
        """Load the file at ``path``, which the user wrote as ``given``, or raise PluginError."""
        candidate = local(path, given)
        with self._process_unchanged(candidate) as is_stop:
            try:
                self._add(candidate)
            except BaseException as error:
                if is_stop(error):
                    raise
                self._blame_the_machine(error, candidate)
                line = _line_of(error, path)
                where = f"{given}:{line}" if line else f"{given}"
                raise PluginError(f"{where}: plugin cannot be loaded: {say(error)}") from error

    @contextmanager
    def _process_unchanged(self, candidate: Candidate) -> Iterator[Callable[[BaseException], bool]]:
        before, had_torch = snapshot(), "torch" in sys.modules
        threads = set(threading.enumerate())
        try:
            with signals_noted() as is_stop:
                yield is_stop
        finally:
            whose = f"plugin {candidate.name!r} ({candidate.origin})"
            if changed := restore(before):
                self.warnings.append(f"{whose} changed {', '.join(changed)}; ganzoo put it back")
            if not had_torch and "torch" in sys.modules:
                self.warnings.append(
                    f"{whose} imports torch when it is loaded, so every command waits for it; "
                    "import it inside build()"
                )
            for thread in set(threading.enumerate()) - threads:
                if not thread.daemon:
                    self.warnings.append(
                        f"{whose} leaves thread '{printable(thread.name, 60)}' running, which "
                        "ganzoo does not wait for at its end; start it when a run does"
                    )

    def _blame_the_machine(self, error: BaseException, candidate: Candidate) -> None:
        if isinstance(error, Starved):
            raise MachineError(
                f"the machine is overloaded: for {PATIENCE * self.seconds:g} s other programs "
                f"kept the processor from plugin {candidate.name!r} ({candidate.origin}) while it "
                f"was loaded; try again when less is running, or raise {SECONDS_VARIABLE}"
            ) from None

    def _add(self, candidate: Candidate) -> None:
        try:
            with time_limit(None if candidate.is_own else self.seconds):
                plugin, specs = self._admit(candidate)
        except BaseException as error:
            if self.manager.has_plugin(candidate.key):
                self.manager.unregister(name=candidate.key)
            if isinstance(error, TooSlow):
                raise PluginError(
                    f"{error}; keep heavy imports for build(), or raise {SECONDS_VARIABLE}"
                ).with_traceback(error.__traceback__) from None
            raise
        self.plugins.append(plugin)
        self.components |= {(spec.kind, spec.use): (spec, plugin) for spec in specs}

    def _admit(self, candidate: Candidate) -> tuple[Plugin, list[type[Spec]]]:
        """Run a candidate's code, register its hooks and check all of it."""
        from ganzoo.plugin.contract import check_hooks, supplied

        plugin, module = candidate.load()
        wanted = getattr(module, "GANZOO_API", API_VERSION)
        if wanted != API_VERSION:
            raise PluginError(f"needs plugin API {wanted}; this ganzoo has {API_VERSION}")
        check_hooks(plugin)
        if self.manager.is_registered(plugin):
            raise PluginError(f"is the same as plugin {self.manager.get_name(plugin)!r}")
        self.manager.register(plugin, candidate.key)
        specs = supplied(plugin, self.manager)
        self._refuse_taken_names(candidate, specs)
        added = self._verbs(plugin, module, candidate)
        shipped = self._models(plugin, candidate)
        root = _root(module)
        return Plugin(
            name=candidate.name,
            distribution=candidate.distribution,
            version=candidate.version,
            source=candidate.source,
            path=root,
            sha256=sha256_of(root),
            components=tuple((spec.kind, spec.use) for spec in specs),
            verbs=added,
            models=shipped,
        ), specs

    def _verbs(self, plugin: object, module: ModuleType, candidate: Candidate) -> tuple[Verb, ...]:
        given: dict[str, tuple[str, str]] = {}
        for implementation in self.manager.hook.ganzoo_commands.get_hookimpls():
            if implementation.plugin is plugin:
                given = verbs.checked(implementation.function())
                verbs.agree(given, verbs.readable(module.__name__))
        for name in given:
            for other in self.plugins:
                if any(verb.name == name for verb in other.verbs):
                    raise PluginError(
                        f"command {name!r} of {candidate.origin} is already added by "
                        f"{other.origin} (plugin {other.name!r})"
                    )
        return tuple(
            Verb(name, place, about, candidate.name, candidate.origin)
            for name, (place, about) in given.items()
        )

    def _models(self, plugin: object, candidate: Candidate) -> tuple[TrainedModel, ...]:
        given: tuple[TrainedModel, ...] = ()
        for implementation in self.manager.hook.ganzoo_models.get_hookimpls():
            if implementation.plugin is plugin:
                given = models.checked(implementation.function())
        for model in given:
            for other in self.plugins:
                if any(each.name == model.name for each in other.models):
                    raise PluginError(
                        f"model {model.name!r} of {candidate.origin} is already shipped by "
                        f"{other.origin} (plugin {other.name!r})"
                    )
        return given

    def _refuse_taken_names(self, candidate: Candidate, specs: Iterable[type[Spec]]) -> None:
        taken = []
        for spec in specs:
            if found := self.components.get((spec.kind, spec.use)):
                owner = found[1]
                taken.append(
                    f"{spec.kind} {spec.use!r} of {candidate.origin} is already supplied by "
                    f"{owner.origin} (plugin {owner.name!r})"
                )
        if taken:
            raise PluginError("; ".join(taken))


def _root(module: ModuleType) -> Path | None:
    """Return a module's file, or the folder of the outermost package around it."""
    parts = module.__name__.split(".")
    for count in range(1, len(parts) + 1):
        package = sys.modules.get(".".join(parts[:count]))
        file = getattr(package, "__file__", None)  # None for a namespace package
        if file:
            return Path(file).parent if hasattr(package, "__path__") else Path(file)
    return None


def _line_of(error: BaseException, file: Path) -> int | None:
    """Return the line of ``file`` that an error came from."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == str(file)), None)
