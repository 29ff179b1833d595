"""A spec in words: what each of its keys may hold, its default and its help."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from ganzoo.plugin.ramps import Ramp
from ganzoo.plugin.table import help_of

LEFT_OUT = "left out"
"""What stands for None, which TOML cannot write."""
REQUIRED = "required"
"""What stands for a default that is not there."""

KIND = "x-ganzoo-kind"
"""Marks a component's place in the JSON schema, for ``recipe.schema`` to fill."""

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """One key of a table.

    Attributes:
        name: the key.
        type: what it may hold: ``'nearest' | 'bilinear'``, ``integer > 0``.
        default: as a recipe writes it; 'left out' for None, 'required' where there is none.
        help: one or more sentences; empty where the author wrote none.
    """

    name: str
    type: str
    default: str
    help: str


def fields(table: type[BaseModel]) -> list[Field]:
    """Return the keys of a spec or another table of a recipe, in the order of their definition."""
    schema = table.model_json_schema()
    tables = schema.get("$defs", {})
    return [
        Field(
            name=name,
            type=_words(schema["properties"][name], tables),
            default=REQUIRED if field.is_required() else written(_default(field)),
            help=" ".join(help_of(table, name).split()),
        )
        for name, field in table.model_fields.items()
    ]


def summary(table: type[BaseModel]) -> str:
    """Return the first line of a spec's docstring."""
    return documentation(table).partition("\n")[0]


def documentation(table: type[BaseModel]) -> str:
    """Return a spec's own docstring without its indentation."""
    return inspect.cleandoc(table.__doc__ or "")


def written(value: Any) -> str:
    """Return a value as TOML would have it: ``true``, ``0.5``, ``'adam'``, ``[1, 2]``."""
    if value is None:
        return LEFT_OUT
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if value.isprintable() and "'" not in value:
            return f"'{value}'"
        quoted = json.dumps(value, ensure_ascii=False)
        return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in quoted)
    if isinstance(value, BaseModel):
        return written(value.model_dump())
    if isinstance(value, Mapping):
        pairs = (
            f"{_key(key)} = {written(each)}" for key, each in value.items() if each is not None
        )
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(written, value)) + "]"
    return str(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else written(name)


def _default(field: FieldInfo) -> Any:
    value = field.get_default(call_default_factory=True, validated_data={})
    return to_jsonable_python(value)


def _words(schema: Schema, tables: Mapping[str, Schema], many: bool = False) -> str:
    """Return what a value of ``schema`` is; ``many`` of them in the plural."""
    if "$ref" in schema:
        return _words(tables[schema["$ref"].rpartition("/")[2]], tables, many)
    if KIND in schema:
        return f"{schema[KIND]} {_plural('table', many)} with use"
    if "const" in schema:
        return written(schema["const"])
    if "enum" in schema:
        choices = " | ".join(map(written, schema["enum"]))
        return f"({choices})" if many else choices
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return _union(options, tables, many)
    match schema.get("type"):
        case "boolean":
            return "true | false" if not many else "(true | false)"
        case "integer" | "number" as noun:
            return _plural(noun, many) + _bounds(schema)
        case "string":
            return _text(schema, many)
        case "array":
            return _list(schema, tables, many)
        case "object":
            return _table(schema, tables, many)
    return "anything"


def _union(options: Sequence[Schema], tables: Mapping[str, Schema], many: bool) -> str:
    there = [option for option in options if option.get("type") != "null"]
    words = " | ".join(_words(option, tables, many) for option in there)
    if len(there) < len(options):
        return f"{words}, or {LEFT_OUT}"
    return f"({words})" if many else words


def _plural(noun: str, many: bool) -> str:
    return f"{noun}s" if many else noun


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if (low is not None or above is not None) and (high is not None or below is not None):
        start = f"[{low}" if above is None else f"({above}"
        end = f"{high}]" if below is None else f"{below})"
        text = f" in {start}, {end}"
    else:
        signs = ((">=", low), (">", above), ("<=", high), ("<", below))
        text = "".join(f" {sign} {value}" for sign, value in signs if value is not None)
    step = schema.get("multipleOf")
    return text if step is None else f"{text}, a multiple of {step}"


def _text(schema: Schema, many: bool) -> str:
    noun = "path" if schema.get("format") in {"path", "file-path", "directory-path"} else "text"
    words = _plural(noun, many and noun != "text")
    if count := _count(schema.get("minLength"), schema.get("maxLength")):
        words += f" of {count} characters"
    return f"{words} matching {schema['pattern']}" if "pattern" in schema else words


def _list(schema: Schema, tables: Mapping[str, Schema], many: bool) -> str:
    if "prefixItems" in schema:
        items = ", ".join(_words(item, tables) for item in schema["prefixItems"])
        return f"{_plural('list', many)} [{items}]"
    count = _count(schema.get("minItems"), schema.get("maxItems"))
    items = _words(schema.get("items", {}), tables, many=True)
    return f"{_plural('list', many)} of {f'{count} ' if count else ''}{items}"


def _table(schema: Schema, tables: Mapping[str, Schema], many: bool) -> str:
    if schema.get("title") == Ramp.__name__:
        return _plural("ramp", many)
    if "properties" in schema:
        return f"{_plural('table', many)} with {', '.join(schema['properties'])}"
    values = schema.get("additionalProperties")
    items = _words(values, tables, many=True) if isinstance(values, Mapping) else "anything"
    return f"{_plural('table', many)} of {items}"


def _count(low: int | None, high: int | None) -> str:
    if low == high:
        return "" if low is None else str(low)
    if high is None:
        return f"at least {low}"
    return f"at most {high}" if not low else f"{low} to {high}"
