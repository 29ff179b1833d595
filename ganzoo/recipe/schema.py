"""The JSON schema of recipes, with which editors complete and check them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ganzoo.plugin.describe import KIND
from ganzoo.plugin.kinds import KINDS, Kind
from ganzoo.plugin.specs import Spec
from ganzoo.recipe.model import Recipe

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry

Json = dict[str, Any]


def schema(registry: Registry) -> Json:
    """Return the JSON schema (draft 2020-12) of a recipe made of what is installed.

    A table's ``use`` decides which keys it has. A recipe that extends another may leave out
    tables, and ``use`` in them; only ``ganzoo check`` sees what it inherits.
    """
    whole = Recipe.model_json_schema()
    tables = whole.setdefault("$defs", {})
    for kind in KINDS:
        tables[kind] = _component(kind, registry.specs(kind), tables)
    root: Json = _filled(whole)
    root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    root["title"] = "ganzoo recipe"
    root["properties"] = {
        "extends": {
            "type": "string",
            "minLength": 1,
            "description": "The recipe to extend: a file in the same folder, or a shipped recipe.",
        },
        **root["properties"],
    }
    required = root.pop("required")
    root["if"] = {"required": ["extends"]}
    root["else"] = {
        "required": required,
        "properties": {
            kind.name: _chosen(kind, root) for kind in KINDS.values() if not kind.default
        },
    }
    return root


def _chosen(kind: Kind, root: Json) -> Json:
    """Return what a kind's place needs where nothing is inherited: ``use`` in each table."""
    if kind.place == "list":
        return {"items": {"required": ["use"]}}
    if kind.place == "table":
        return {"required": ["use"]}
    networks = root["$defs"][root["properties"][kind.name]["$ref"].rpartition("/")[2]]
    return {
        "required": networks.pop("required"),
        "properties": {role: {"required": ["use"]} for role in networks["properties"]},
    }


def _component(kind: str, specs: Mapping[str, type[Spec]], tables: Json) -> Json:
    """Return a table whose ``use`` chooses among ``specs``; their own tables go to ``tables``."""
    for use, spec in specs.items():
        table = spec.model_json_schema()
        for name, inner in table.pop("$defs", {}).items():
            tables[f"{kind}.{use}.{name}"] = inner
        table["title"] = f"{kind} {use}"
        table["properties"] = {"use": {"const": use}, **table.get("properties", {})}
        needed = [] if use == KINDS[kind].default else ["use"]
        if needed or "required" in table:
            table["required"] = [*needed, *table.get("required", [])]
        tables[f"{kind}.{use}"] = _renamed(table, f"{kind}.{use}")
    known = {name for use in specs for name in tables[f"{kind}.{use}"]["properties"]}
    inherited = {
        "title": f"{kind} of the recipe that is extended",
        "properties": dict.fromkeys(sorted(known - {"use"}), True),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "description": (KINDS[kind].spec.__doc__ or "").strip(),
        "properties": {"use": {"enum": list(specs)}},
        # Without ``use`` a table may be that of the default or of what is extended.
        "anyOf" if KINDS[kind].default else "oneOf": [
            *({"$ref": f"#/$defs/{kind}.{use}"} for use in specs),
            inherited,
        ],
    }


def _renamed(value: Any, prefix: str) -> Any:
    """Return a spec's schema with its references led to ``prefix``."""
    if isinstance(value, dict):
        return {
            key: f"#/$defs/{prefix}.{inner.rpartition('/')[2]}"
            if key == "$ref"
            else _renamed(inner, prefix)
            for key, inner in value.items()
        }
    return [_renamed(inner, prefix) for inner in value] if isinstance(value, list) else value


def _filled(value: Any) -> Any:
    """Return a schema in which every place of a component refers to its kind's table."""
    if isinstance(value, dict):
        filled = {key: _filled(inner) for key, inner in value.items() if key != KIND}
        return filled | ({"$ref": f"#/$defs/{value[KIND]}"} if KIND in value else {})
    return [_filled(inner) for inner in value] if isinstance(value, list) else value
