"""Every mistake in a recipe: in its tables one by one, and between them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ganzoo.common.errors import suggest
from ganzoo.common.tables import Keys
from ganzoo.plugin.kinds import KINDS, Kind
from ganzoo.plugin.specs import DatasetSpec, Spec
from ganzoo.plugin.table import Table
from ganzoo.recipe.component import ByUse, example
from ganzoo.recipe.messages import in_words, listed, quoted, unknown_key
from ganzoo.recipe.model import Recipe, freeze, keys_of
from ganzoo.recipe.overrides import is_readable, layer
from ganzoo.recipe.problems import OVERRIDE, SHOWN, Problem, RecipeError
from ganzoo.recipe.source import Source, find_recipe, read_source, shipped
from ganzoo.recipe.toml import MAX_BYTES

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry

Model = TypeVar("Model", bound=BaseModel)
Found = tuple[Keys, ErrorDetails | str]
"""The keys of a mistake, and pydantic's error or our message."""

MOST_MEANT = 3
"""Places where a key may have been meant to be; of more, none is named."""
_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def load_recipe(path: Path, registry: Registry, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe with ``key=value`` overrides; see ``source.read`` and ``check``.

    Its fallback recipe stands for the recipe as it is written, whichever its seed: with another
    override it has none, unless that names one.
    """
    try:
        source = read_source(path, overrides)
    except RecipeError as error:
        raise _with_others(error, path, registry, overrides) from None
    recipe = check(source, registry)
    keys = {override.partition("=")[0].strip() for override in overrides}
    if keys <= {"train.seed"} or "fallback" in keys:
        return recipe
    return recipe.model_copy(update={"fallback": None})


def _with_others(
    refused: RecipeError, path: Path, registry: Registry, overrides: Sequence[str]
) -> RecipeError:
    """Return a refusal to read, with the mistakes of the recipe under overrides that can be read.

    Where all overrides can be, it is the file that was refused, and that is all there is.
    """
    try:
        layer(overrides)
    except RecipeError as error:
        unread = error
    else:
        return refused
    try:
        check(read_source(path, [each for each in overrides if is_readable(each)]), registry)
    except RecipeError as error:
        others = [problem for problem in error.problems if problem not in unread.problems]
        double = len(error.problems) - len(others)
        return RecipeError([*unread.problems, *others], unread.count + error.count - double)
    return unread


def stand_in(recipe: Recipe, registry: Registry) -> Recipe:
    """Return the recipe that is run in place of one whose data set cannot be had, with its seed.

    Raises:
        GanzooError: if it is not shipped with this ganzoo, or is wrong.
    """
    assert recipe.fallback is not None
    path = find_recipe(recipe.fallback)
    return load_recipe(path, registry, [f"train.seed={recipe.train.seed}"])


def check(source: Source, registry: Registry) -> Recipe:
    """Return the recipe that ``source`` describes.

    Raises:
        RecipeError: with every mistake in it.
    """
    recipe, problems, count = problems_of(source, registry, Recipe)
    if recipe is None or problems:
        raise RecipeError(problems, count)
    size = len(freeze(recipe).encode())
    if size > MAX_BYTES:
        message = f"{size} bytes with every default written out; {MAX_BYTES} are allowed"
        raise RecipeError([source.problem((), message)])
    return recipe


def dataset_named(name: str, overrides: tuple[str, ...], registry: Registry) -> DatasetSpec:
    """Return a dataset's spec with fields given as ``key=value``.

    Raises:
        RecipeError: with everything that is wrong with them.
    """
    registry.find("dataset", name)
    given = [f"dataset.use={name}", *(f"dataset.{override.strip()}" for override in overrides)]
    chosen, problems, count = problems_of(Source(OVERRIDE, layer(given)), registry, _DatasetAlone)
    if chosen is None or problems:
        raise RecipeError(problems, count)
    return chosen.dataset


class _DatasetAlone(Table):
    """A recipe of which only the dataset is wanted."""

    dataset: Annotated[DatasetSpec, ByUse()]


def problems_of(
    source: Source, registry: Registry, model: type[Model]
) -> tuple[Model | None, list[Problem], int]:
    """Return the checked model where it can be had, the first mistakes, and how many there are."""
    tables = source.tables
    checked = None
    found: list[Found] = list(_between(tables, registry))
    try:
        checked = model.model_validate(tables, context={"registry": registry})
    except ValidationError as error:
        found += [
            (_written_keys(one["loc"], tables), one) for one in error.errors(include_url=False)
        ]

    def position(one: Found) -> tuple[bool, str, int]:
        place = source.place(one[0])
        file, line = (place.file, place.line) if place else (source.file, 0)
        return file != source.file, file, line

    # A key may have several: one for each member of a union of types.
    by_keys: dict[Keys, list[ErrorDetails | str]] = {}
    for keys, mistake in sorted(_of_the_kind(found), key=position):
        by_keys.setdefault(keys, []).append(mistake)
    problems = []
    for keys, mistakes in list(by_keys.items())[:SHOWN]:  # suggestions take time
        says = [_message(one, keys, tables, registry, model) for one in mistakes]
        problems.append(source.problem(keys, ", or ".join(dict.fromkeys(says))))
    return checked, problems, len(by_keys)


def _written_keys(loc: Keys, tables: Any) -> Keys:
    """Return ``loc`` without what pydantic adds to it, such as the member of a union."""
    value = tables
    kept: list[int | str] = []
    for depth, key in enumerate(loc):
        if isinstance(value, dict) and (key in value or depth == len(loc) - 1):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        elif isinstance(value, list) and isinstance(key, str):
            continue  # the member of a union that takes lists
        else:
            break
        kept.append(key)
    return tuple(kept)


def _of_the_kind(found: list[Found]) -> list[Found]:
    """Leave out of a union what takes words, where a list was written and has mistakes of its own.

    Who writes ``scales = [3]`` means the list, and 'auto' is no help.
    """
    keys = [at for at, _ in found]

    def is_word_for_list(at: Keys, one: ErrorDetails | str) -> bool:
        return (
            not isinstance(one, str)
            and one["type"] == "literal_error"
            and isinstance(one["input"], list)
            and sum(other[: len(at)] == at for other in keys) > 1
        )

    return [(at, one) for at, one in found if not is_word_for_list(at, one)]


def _message(
    mistake: ErrorDetails | str,
    keys: Keys,
    tables: Any,
    registry: Registry,
    model: type[BaseModel],
) -> str:
    if isinstance(mistake, str):
        return mistake
    if mistake["type"] in {"extra_forbidden", "missing"} and mistake["loc"] != keys:
        # In a union of tables, where the key belongs to one of its members.
        what = "has the unknown key" if mistake["type"] == "extra_forbidden" else "needs the key"
        return f"{what} {quoted(mistake['loc'][-1])}"
    if mistake["type"] == "extra_forbidden":
        if home := _home(keys, model, registry):
            return f"unknown key; it belongs in [{home}]"
        if len(keys) == 1 and (inner := _inner(str(keys[0]), tables, registry, model)):
            return f"unknown key; did you mean {' or '.join(map(quoted, inner))}?"
        return unknown_key(str(keys[-1]), _known_keys(keys[:-1], tables, registry, model))
    if mistake["type"] == "missing":
        return f"missing; {_addition(keys, registry, model)}"
    return in_words(mistake)


def _addition(keys: Keys, registry: Registry, model: type[BaseModel]) -> str:
    """Return what to write so that ``keys`` is no longer missing."""
    table = ".".join(map(str, keys))
    kind = KINDS.get(str(keys[0]))
    of_networks = kind is not None and kind.place == "networks"
    if kind is not None and (of_networks or len(keys) == 1):
        if of_networks and len(keys) == 1:
            table = f"{kind.name}.generator] and [{kind.name}.discriminator"
        return f"add [{table}] with e.g. {example(kind.name, registry)}"
    if keys == ("train",):
        return "add [train] with epochs = 25 or steps = 10000"
    field = model.model_fields.get(str(keys[0])) if len(keys) == 1 else None
    match field.examples if field else None:
        case [dict() as shown]:
            return f"add [{table}] with {', '.join(f'{key} = {shown[key]}' for key in shown)}"
        case [shown]:
            return f"add {table} = {json.dumps(shown)}"
    return f"add {keys[-1]} = ..."


def _home(keys: Keys, model: type[BaseModel], registry: Registry) -> str:
    """Return the only other table of a recipe that has such a key; '' where there is none."""
    if len(keys) != 2:
        return ""
    tables = {name: _model_in(field.annotation) for name, field in model.model_fields.items()}
    homes = [
        name for name, table in tables.items() if table and keys[1] in _fields_of(table, registry)
    ]
    return homes[0] if len(homes) == 1 else ""


def _inner(key: str, tables: Any, registry: Registry, model: type[BaseModel]) -> list[str]:
    """Return ``train.epochs`` for ``epochs``: keys of that name in inner tables, if few."""
    found = []
    for name, field in model.model_fields.items():
        table, value = _model_in(field.annotation), tables.get(name)
        known: dict[Keys, Collection[str]] = {}
        if isinstance(value, dict):
            inner = [(name, each) for each, below in value.items() if isinstance(below, dict)]
            places: list[Keys] = [(name,), *inner]
            known = {at: _known_keys(at, tables, registry, model) for at in places}
        elif table is not None and value is None:
            known = {(name,): _fields_of(table, registry)}
        found += [
            ".".join(map(str, (*at, each)))
            for at, keys in known.items()
            for each in keys
            if each.replace("_", "") == key.lower().replace("-", "").replace("_", "")
        ]
    return found if len(found) <= MOST_MEANT else []


def _fields_of(table: type[BaseModel], registry: Registry) -> Collection[str]:
    """Return the keys of a table; of a component's those of the one that needs no ``use``."""
    if not issubclass(table, Spec):
        return table.model_fields
    default = KINDS[table.kind].default if getattr(table, "kind", "") in KINDS else ""
    found = registry.specs(table.kind).get(default) if default else None
    return found.model_fields if found else ()


def _known_keys(keys: Keys, tables: Any, registry: Registry, model: type[BaseModel]) -> list[str]:
    """Return the keys that the table at ``keys`` may have; none where that cannot be told."""
    found: type[BaseModel] | None = model
    value = tables
    for key in keys:
        value = value[key]
        if isinstance(key, str):
            field = found.model_fields.get(key) if found else None
            found = _model_in(field.annotation) if field else None
        if isinstance(value, dict) and found in [kind.spec for kind in KINDS.values()]:
            assert found is not None
            assert issubclass(found, Spec)
            use = value.get("use")
            found = registry.specs(found.kind).get(use) if isinstance(use, str) else None
    if found is None:
        return []
    chooses = ["use"] if issubclass(found, Spec) else []
    return [*chooses, *keys_of(found), *([] if keys else ["extends"])]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model in ``Model``, ``Model | None``, ``list[Model]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _between(tables: dict[str, Any], registry: Registry) -> Iterator[tuple[Keys, str]]:
    """Yield what no table knows by itself; wrong types and unknown names are found elsewhere."""
    yield from _requirements(tables.get("requires"), registry)
    instead = tables.get("fallback")
    if isinstance(instead, str) and instead not in (known := shipped()):
        yield ("fallback",), f"no recipe {quoted(instead)} is shipped{suggest(instead, known)}"
    dataset = tables.get("dataset")
    if not isinstance(dataset, dict):
        return
    datasets = registry.specs("dataset")
    use, fallback = dataset.get("use"), dataset.get("fallback")
    if isinstance(fallback, str):
        if fallback == use:
            yield ("dataset", "fallback"), "is the dataset itself; name another, or leave it out"
        elif fallback not in datasets:
            near = suggest(fallback, datasets) or f"; there are {listed(datasets)}"
            yield ("dataset", "fallback"), f"no dataset named {quoted(fallback)}{near}"
    used = [
        datasets[name] for name in (use, fallback) if isinstance(name, str) and name in datasets
    ]
    unlabelled = next((spec.use for spec in used if not getattr(spec, "labelled", True)), None)
    packing = [
        spec.use
        for _, spec, _ in _components(KINDS["view"], tables, registry)
        if not getattr(spec, "keeps_labels", True)
    ]
    if packing:
        for kind, keys in _wanting_labels(tables, registry):
            if kind.sees_views:
                yield keys, f"needs a label for each image, but view '{packing[0]}' drops them"
    if unlabelled is not None:
        for _, keys in _wanting_labels(tables, registry):
            message = f"needs labels, and the dataset '{unlabelled}' has none; change either"
            yield keys, message


def _requirements(required: object, registry: Registry) -> Iterator[tuple[Keys, str]]:
    for at, name in enumerate(required if isinstance(required, list) else []):
        if not isinstance(name, str):
            continue
        if not _DISTRIBUTION.fullmatch(name):
            yield ("requires", at), f"{quoted(name)} is not a plugin name; e.g. 'ganzoo-hinge'"
        else:
            for message in registry.unmet([name]):
                yield ("requires", at), message


def _wanting_labels(tables: dict[str, Any], registry: Registry) -> Iterator[tuple[Kind, Keys]]:
    """Yield where a component is chosen that needs labels."""
    for kind in KINDS.values():
        for keys, spec, table in _components(kind, tables, registry):
            if _uses_labels(spec, table) or "labels" in getattr(spec, "needs", ()):
                # A spec whose fields decide it has a field of that name.
                yield kind, (*keys, "labels" if "labels" in table else "use")


def _uses_labels(spec: type[Spec], table: Mapping[str, Any]) -> bool:
    """Tell whether a network is called with labels, which may depend on the fields it is given."""
    if not isinstance(getattr(spec, "uses_labels", False), property):
        return bool(getattr(spec, "uses_labels", False))
    fields = {name: value for name, value in table.items() if name != "use"}
    try:
        return bool(spec.model_validate(fields).uses_labels)  # type: ignore[attr-defined]
    except ValidationError:
        return False  # what is wrong with the table is told elsewhere


def _components(
    kind: Kind, tables: dict[str, Any], registry: Registry
) -> Iterator[tuple[Keys, type[Spec], Mapping[str, Any]]]:
    """Yield the components of a kind that the tables choose, between their keys and their table."""
    specs = registry.specs(kind.name)
    for keys, table in kind.tables(tables):
        use = table.get("use")
        if isinstance(use, str) and use in specs:
            yield keys, specs[use], table
