"""What every component's table promises."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator

from ganzoo.plugin.describe import fields
from ganzoo.plugin.specs import Spec
from ganzoo.testing.claims import Claim, cases_of
from ganzoo.testing.findings import Case

HEAVY = frozenset({"torch", "torchvision", "tensorflow", "jax", "sklearn", "scipy", "matplotlib"})


def cases(spec: Spec) -> list[Case]:
    """Return the checks one by one."""
    return cases_of(spec, CLAIMS, lambda: spec)


def heavy_imports(spec: type[Spec]) -> Iterator[str]:
    """Say where a spec's module imports what every command would wait for.

    Only what runs on import counts, not what is inside functions or for type checkers.
    """
    module = inspect.getmodule(spec)
    try:
        source = inspect.getsource(module or spec)
    except (OSError, TypeError):
        return
    for statement in ast.parse(source).body:
        names = []
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            names = [statement.module]
        for name in names:
            if name.partition(".")[0] in HEAVY:
                yield (
                    f"line {statement.lineno} of {spec.__module__} imports {name}, so every "
                    "command that loads it waits: import it inside build() or another method"
                )


def every_key_says_what_it_is(spec: Spec) -> Iterator[str]:
    for field in fields(type(spec)):
        if not field.help:
            yield f"key '{field.name}' has no docstring: write one under the field, with its unit"


def reads_back_what_it_writes(spec: Spec) -> Iterator[str]:
    again = type(spec).model_validate(spec.model_dump(exclude_none=True))
    if again != spec:
        yield f"written to a recipe and read back it is {again!r}, not {spec!r}"


CLAIMS: tuple[Claim[Spec], ...] = (
    every_key_says_what_it_is,
    reads_back_what_it_writes,
)
