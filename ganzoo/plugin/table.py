"""A table of a recipe: strict, closed and frozen; its fields' docstrings are their help."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterable
from contextvars import ContextVar
from functools import cache
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic_core import core_schema

BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Where a statement has statements; no class is defined anywhere else."""
WITHOUT_HELP: ContextVar[bool] = ContextVar("WITHOUT_HELP", default=False)
"""Set where a JSON schema is only checked, for which no source need be read."""


class Table(BaseModel):
    """A table of a recipe: strict, closed and frozen."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        frozen=True,
        serialize_by_alias=True,  # a key may be a word of Python, as 'from' is
        # Most commands name a few components out of many: a validator is built for those in use.
        # For the same reason docstrings are read when help is asked for, see ``help_of``, and not,
        # as use_attribute_docstrings would, for each class that is imported.
        defer_build=True,
    )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Add the fields' help to the JSON schema."""
        found = handler(schema)
        if WITHOUT_HELP.get():
            return found
        keys = handler.resolve_ref_schema(found).get("properties", {})
        for name, field in cls.model_fields.items():
            key = keys.get(field.alias or name)
            if key is not None and "description" not in key and (text := help_of(cls, name)):
                key["description"] = text
        return found


def help_of(table: type[BaseModel], name: str) -> str:
    """Return the help of a field: its description, else the docstring below it; or ''."""
    if text := table.model_fields[name].description:
        return text
    owners = (each for each in table.__mro__ if issubclass(each, BaseModel))
    return next((own[name] for own in map(docstrings, owners) if name in own), "")


@cache
def docstrings(owner: type[BaseModel]) -> dict[str, str]:
    """Return the docstring below each name that a class annotates, or ''; none without a source."""
    if owner is BaseModel:
        return {}
    module = sys.modules.get(owner.__module__)
    found = classes(module).get(owner.__qualname__) if module is not None else None
    found = found or alone(owner)
    if found is None:
        return {}
    texts = {}
    for above, below in zip(found.body, [*found.body[1:], ast.Pass()], strict=True):
        if isinstance(above, ast.AnnAssign) and isinstance(above.target, ast.Name):
            value = below.value if isinstance(below, ast.Expr) else None
            text = value.value if isinstance(value, ast.Constant) else ""
            texts[above.target.id] = inspect.cleandoc(text) if isinstance(text, str) else ""
    return texts


@cache
def classes(module: ModuleType) -> dict[str, ast.ClassDef]:
    """Return the classes written once in a module, by qualified name; none without a source."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError, ValueError):
        return {}
    named: dict[str, list[ast.ClassDef]] = {}

    def collect(statements: Iterable[ast.AST], before: str) -> None:
        for each in statements:
            inside = before
            if isinstance(each, ast.ClassDef):
                named.setdefault(f"{before}{each.name}", []).append(each)
                inside = f"{before}{each.name}."
            elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                inside = f"{before}{each.name}.<locals>."
            for field in BLOCKS:
                collect(getattr(each, field, ()), inside)

    collect(tree.body, "")
    return {name: found[0] for name, found in named.items() if len(found) == 1}


def alone(owner: type[BaseModel]) -> ast.ClassDef | None:
    """Return the source of a class that its module does not have, as in a notebook's cell."""
    try:
        (found,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    return found if isinstance(found, ast.ClassDef) else None
