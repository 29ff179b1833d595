"""The floors of ganzoo, from the ground up, and what each room on them is for."""

from __future__ import annotations

import ast
from pathlib import Path

GANZOO = Path(__file__).parents[2] / "ganzoo"
FLOORS: list[set[str]] = [
    {"common", "_version"},
    {"plugin"},
    {"recipe", "runs"},
    {"api", "report"},
    {"training"},
    {"measure", "sampling", "testing"},
    {"session"},
    {"ablate"},
    {"cli", "__main__"},
]
"""The packages and modules in ``ganzoo/``. A file imports from its own floor and those below."""


def purpose(name: str) -> str:
    """Return the first sentence of the package or module ``name``, as it stands in its docstring.

    It may be broken over lines; nothing has to be importable.
    """
    folder = GANZOO / name
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(said.partition("\n\n")[0].split())


def table() -> list[tuple[int, str, str]]:
    """Return floor, name and purpose of every package and public module, the highest first."""
    return [
        (floor, f"{name}/" if (GANZOO / name).is_dir() else f"{name}.py", purpose(name))
        for floor, names in reversed([*enumerate(FLOORS, 1)])
        for name in sorted(names)
        if not name.startswith("_")
    ]
