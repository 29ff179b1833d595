"""What a plugin promises: known hooks, and specs that recipes can rely on; checked on loading."""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pluggy
from pydantic import ValidationError
from pydantic.json_schema import PydanticJsonSchemaWarning

from ganzoo.common.errors import PluginError, printable, say, suggest
from ganzoo.plugin import hooks
from ganzoo.plugin.kinds import KINDS, Kind
from ganzoo.plugin.limits import NAME, overlong, signals_noted
from ganzoo.plugin.specs import Spec
from ganzoo.plugin.table import WITHOUT_HELP, Table

_SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_ANY_NUMBER = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_MARKER = pluggy.PluginManager("ganzoo")


def check_hooks(plugin: object) -> None:
    """Raise PluginError where a hook is misspelt, asks for unknown arguments, or is not marked."""
    problems = list(_hook_problems(plugin))
    if problems:
        raise PluginError("; ".join(problems))


def _hook_problems(plugin: object) -> Iterator[str]:
    known = {name: inspect.signature(hook).parameters for name, hook in hooks.known().items()}
    is_silent = True
    for name in dir(plugin):
        options = _MARKER.parse_hookimpl_opts(plugin, name)
        if options is None:
            if name in known and inspect.isroutine(inspect.getattr_static(plugin, name)):
                is_silent = False
                yield f"{name!r} is not marked with @hookimpl"
            continue
        is_silent = False
        hook = options.get("specname") or name
        if hook not in known:
            if not options.get("optionalhook"):
                yield f"there is no hook named {hook!r}{suggest(hook, known)}"
            continue
        for argument in inspect.signature(getattr(plugin, name)).parameters.values():
            is_filled = argument.default is not argument.empty or argument.kind in _ANY_NUMBER
            if not is_filled and argument.name not in known[hook]:
                near = suggest(argument.name, known[hook])
                yield f"hook {hook!r} has no argument {argument.name!r}{near}"
    if is_silent:
        yield "no function in it is marked with @hookimpl"


def trackers_of(function: Callable[[], Any]) -> list[str]:
    """Return the trackers that an implementation of ``ganzoo_trackers`` names.

    Raises:
        PluginError: if it fails, or gives anything but names of moderate length.
    """
    with signals_noted() as is_stop:
        try:
            names = list(function())
        except BaseException as error:
            if is_stop(error):
                raise
            raise PluginError(say(error)) from error
    for name in names:
        if not isinstance(name, str):
            raise PluginError(f"{name!r:.80} is not a name")
        if problem := overlong(name):
            raise PluginError(problem)
    return names


def supplied(plugin: object, manager: pluggy.PluginManager) -> list[type[Spec]]:
    """Return the specs of a registered plugin, or raise PluginError with all that is wrong."""
    specs: list[type[Spec]] = []
    problems: list[str] = []
    for kind in KINDS.values():
        for implementation in getattr(manager.hook, kind.hook).get_hookimpls():
            if implementation.plugin is not plugin:
                continue
            classes = implementation.function()
            if not isinstance(classes, list | tuple):
                problems.append(f"{kind.hook}() returned {classes!r:.80}, not a list of classes")
                continue
            for spec in classes:
                wrong = list(_spec_problems(spec, kind))
                problems += wrong
                if not wrong:
                    specs.append(spec)
    names = [(spec.kind, spec.use) for spec in specs]
    problems += [
        f"it supplies {name} {use!r} more than once"
        for name, use in dict.fromkeys(names)
        if names.count((name, use)) > 1
    ]
    if problems:
        raise PluginError("; ".join(problems))
    return specs


def _spec_problems(spec: Any, kind: Kind) -> Iterator[str]:
    base = kind.spec
    if not (isinstance(spec, type) and issubclass(spec, base) and spec is not base):
        what = spec.__qualname__ if isinstance(spec, type) else f"{spec!r:.80}"
        yield f"{kind.hook}() supplies {what}, which is not a subclass of {base.__name__}"
        return
    problems = [
        *_name_problems(spec, kind.name),
        *_method_problems(spec, kind),
        *_table_problems(spec),
    ]
    for problem in problems:
        yield f"{spec.__qualname__}: {problem}"


def _name_problems(spec: type[Spec], kind: str) -> Iterator[str]:
    for name in ("kind", "use"):
        if name in spec.model_fields:
            yield f"{name!r} is not a key of the recipe: annotate it as ClassVar[str]"
    if "kind" not in spec.model_fields and spec.kind != kind:
        yield f"it says kind = {spec.kind!r}; a {kind} must not set 'kind'"
    use = getattr(spec, "use", None)
    if use is None and "use" not in spec.model_fields:
        yield "it has no name: use: ClassVar[str] = 'its_name'"
    named = [str(name) for name in (use, *spec.model_fields, *_scores(spec))]
    yield from filter(None, map(overlong, named))
    for name in sorted(spec.__class_vars__ - {"kind", "use"}):
        if not hasattr(spec, name):
            yield f"it does not say {name!r}"
    if use is not None and not (isinstance(use, str) and _SNAKE_CASE.fullmatch(use)):
        yield f"use = {printable(repr(use), NAME)} is not in snake_case"


def _scores(spec: type[Spec]) -> list[object]:
    scores = getattr(spec, "scores", None)
    return list(scores) if isinstance(scores, Mapping) else []


def _method_problems(spec: type[Spec], kind: Kind) -> Iterator[str]:
    if sys.flags.optimize < 2 and not (spec.__doc__ or "").strip():
        yield "it has no docstring"

    def is_inherited(method: str) -> bool:
        return getattr(spec, method) is getattr(kind.spec, method)

    for name in filter(is_inherited, kind.must_define):
        yield f"it does not define {name}()"
    if (names := kind.must_define_one) and all(map(is_inherited, names)):
        yield f"it defines none of {', '.join(f'{name}()' for name in names)}"


def _table_problems(spec: type[Spec]) -> Iterator[str]:
    for option in ("extra", "strict", "frozen", "allow_inf_nan"):
        wanted, found = Table.model_config.get(option), spec.model_config.get(option)
        if found != wanted:
            yield f"model_config has {option} = {found!r}; leave it {wanted!r}"
    is_brief = WITHOUT_HELP.set(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PydanticJsonSchemaWarning)
            spec.model_rebuild()  # else what is wrong with an annotation is told less well
            schema = spec.model_json_schema()
    except Exception as error:  # noqa: BLE001
        yield f"its fields have no JSON schema: {say(error)}"
        return
    finally:
        WITHOUT_HELP.reset(is_brief)
    for name, table in schema.get("$defs", {}).items():
        if "properties" in table and table.get("additionalProperties") is not False:
            yield f"{name} accepts unknown keys; set extra='forbid'"
    yield from _default_problems(spec)


def _default_problems(spec: type[Spec]) -> Iterator[str]:
    """A default that its own field refuses would make every frozen recipe unreadable."""
    defaults = {
        name: field.get_default(call_default_factory=True, validated_data={})
        for name, field in spec.model_fields.items()
        if not field.is_required()
    }
    has_all = len(defaults) == len(spec.model_fields)
    try:
        spec.model_validate(defaults)
    except ValidationError as error:
        for problem in error.errors():
            where = ".".join(str(part) for part in problem["loc"])
            if where and problem["type"] != "missing":
                yield f"the default of {where!r} is refused: {problem['msg']}"
            elif not where and has_all:
                yield f"its defaults are refused together: {problem['msg']}"
