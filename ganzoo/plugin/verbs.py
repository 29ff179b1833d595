"""Verbs that plugins add to the command line: known by reading, imported only when called.

``ganzoo --help`` lists them without running a line of any plugin: their names are read from the
source of the hook. What the hook gives when the plugin is loaded must be what is written there.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from operator import attrgetter

from ganzoo.common.errors import PluginError, printable, say
from ganzoo.plugin import discovery
from ganzoo.plugin.isolation import restore, snapshot
from ganzoo.plugin.limits import overlong, signals_noted

HOOK = "ganzoo_commands"
BUILT_IN = frozenset({
    "run", "resume", "ablate", "compare", "sample", "report", "export", "measure", "bench",
    "speedrun",
    "check", "runs", "list", "show", "plugins", "new", "data", "schema", "doctor", "completion",
    "ls", "validate", "env",
})  # fmt: skip
"""Verbs and other names of verbs that are ganzoo's own; nobody else can have them."""
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PLACE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class Verb:
    """A verb of a plugin.

    Attributes:
        name: as it is typed.
        place: where its click command is: 'module:name'.
        about: what it does, in a line.
        plugin: who adds it.
        origin: where that comes from, for people.
    """

    name: str
    place: str
    about: str
    plugin: str
    origin: str


def written(source: str) -> dict[str, tuple[str, str]]:
    """Return what the hook in a module's source gives; nothing where that is not written out."""
    if HOOK not in source:
        return {}
    try:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and node.name == HOOK:
                (last,) = (one for one in node.body if isinstance(one, ast.Return))
                return checked(ast.literal_eval(last.value or ast.Constant(None)))
    except (SyntaxError, ValueError, RecursionError, MemoryError, PluginError):
        pass  # told by 'ganzoo plugins', where it is loaded
    return {}


def checked(given: object) -> dict[str, tuple[str, str]]:
    """Return the verbs that a hook gives.

    Raises:
        PluginError: with everything that is wrong with them.
    """
    if not isinstance(given, Mapping):
        raise PluginError(f"{HOOK}() returned {given!r:.80}, not a dict of commands")
    problems = [problem for name, verb in given.items() for problem in _problems(name, verb)]
    if problems:
        raise PluginError("; ".join(problems))
    return {name: (place, about) for name, (place, about) in given.items()}


def _problems(name: object, verb: object) -> Iterator[str]:
    if not isinstance(name, str):
        yield f"{name!r:.80} is not a command name"
        return
    if problem := overlong(name):
        yield problem
        return
    if not _NAME.fullmatch(name):
        yield f"command {printable(name)!r} needs lowercase letters, digits and '-' between them"
    if name in BUILT_IN:
        yield f"command {name!r} is ganzoo's own; choose another name"
    match verb:
        case (str(place), str(about)):
            if not _PLACE.fullmatch(place):
                yield f"command {name!r} is at {place!r:.80}; write 'module:command'"
            if not about.strip() or not about.isprintable() or len(about) > 80:
                yield f"command {name!r} needs a line that says what it does, up to 80 characters"
        case _:
            yield f"command {name!r} needs ('module:command', 'What it does.')"


def readable(module: str) -> dict[str, tuple[str, str]]:
    """Return the verbs written in a module, which is found and read but not imported."""
    try:
        spec = _found(module)
        if isinstance(spec.loader, SourceFileLoader):
            content = spec.loader.get_data(spec.loader.path)
            if HOOK.encode() not in content:  # in no other encoding that Python reads, either
                return {}
        source = spec.loader.get_source(module)  # type: ignore[union-attr]
    except Exception:  # noqa: BLE001  finders and loaders are anybody's
        return {}
    return written(source or "")


def _found(module: str) -> ModuleSpec:
    """Find a module; unlike ``importlib.util.find_spec`` without importing the packages around."""
    first, *rest = module.split(".")
    spec = importlib.util.find_spec(first)
    for part in rest:
        assert spec is not None
        spec = PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    assert spec is not None
    return spec


@cache
def installed(blocked: str, folders: tuple[str, ...]) -> Mapping[str, Verb]:  # noqa: ARG001
    """Return the verbs of installed plugins by name; of two alike, the one that would be loaded.

    Args:
        blocked: plugins to leave out, as in GANZOO_BLOCK.
        folders: ``sys.path``, in which they are looked for.
    """
    found: dict[str, Verb] = {}
    names = {name.strip() for name in blocked.split(",")}
    for candidate in sorted(discovery.installed()[0], key=lambda each: each.order):
        if discovery.is_blocked(candidate, names):
            continue
        verbs = readable(candidate.target.partition(":")[0])
        for name, (place, about) in verbs.items():
            verb = Verb(name, place, about, candidate.name, candidate.origin)
            found.setdefault(name, verb)
    return found


def command(verb: Verb, warn: Callable[[str], None]) -> object:
    """Import and return the command of a verb; what its import changes in the process is undone.

    Raises:
        PluginError: naming verb, plugin and reason, if that fails.
    """
    before = snapshot()
    module, _, name = verb.place.partition(":")
    try:
        with signals_noted() as is_stop:
            try:
                return attrgetter(name)(importlib.import_module(module))
            except BaseException as error:
                if is_stop(error):
                    raise
                raise PluginError(f"{whose(verb)} cannot be loaded: {say(error)}") from error
    finally:
        if changed := restore(before):
            warn(f"{whose(verb)} changed {', '.join(changed)}; ganzoo put it back")


def whose(verb: Verb) -> str:
    """Return "verb 'tiles' of plugin 'example' (ganzoo-example 0.1)"."""
    return f"command {verb.name!r} of plugin {verb.plugin!r} ({verb.origin})"


def agree(given: Mapping[str, tuple[str, str]], read: Mapping[str, tuple[str, str]]) -> None:
    """Do nothing if a plugin's verbs are those that were read in its source.

    Raises:
        PluginError: where ``ganzoo --help`` would not find them.
    """
    if read != given:
        raise PluginError(
            f"{HOOK}() gives commands that cannot be read without running it; let it return a dict "
            "literal, in the module that the entry point names"
        )
