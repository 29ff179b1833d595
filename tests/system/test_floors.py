"""Who may import whom: the floors of docs/architecture.md, read from the source."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
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
"""From the ground up. A module imports from its own floor and from those below."""
WITHOUT_TORCH = {"common", "_version", "plugin", "recipe", "api", "session", "cli"}
"""These do not import torch when they are imported."""
HEAVY = {"torch", "torchvision", "sklearn", "scipy", "matplotlib", "numpy"}


def name_of(path: Path) -> str:
    """Return the dotted name of a module's file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted((ROOT / "ganzoo").rglob("*.py"))}


def statements(node: ast.AST, *, lazy: bool = True) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports that can be executed: none that are for type checkers only.

    Args:
        node: where to look.
        lazy: whether those inside functions count.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from statements(other, lazy=lazy)
        elif lazy or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from statements(child, lazy=lazy)


def imported(path: Path, *, lazy: bool = True) -> set[str]:
    """Return the dotted names of all modules that a file imports."""
    found = set()
    for statement in statements(ast.parse(path.read_text(encoding="utf-8")), lazy=lazy):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
            continue
        assert statement.level == 0, f"{path} imports by dots; write the whole name"
        module = statement.module or ""
        for alias in statement.names:
            inner = f"{module}.{alias.name}"
            found.add(inner if inner in MODULES else module)
    return found


def floor_of(module: str) -> int:
    """Return the floor of 'ganzoo.x' or of anything in the package 'ganzoo.x'."""
    name = module.split(".")[1]
    floors = [floor for floor, names in enumerate(FLOORS) if name in names]
    assert len(floors) == 1, f"'{module}' belongs on one floor of {Path(__file__).name}"
    return floors[0]


def own(names: set[str]) -> set[str]:
    """Return the modules of the package among ``names``, without the package itself."""
    return {name for name in names if name.startswith("ganzoo.")}


@pytest.mark.parametrize("module", [name for name in MODULES if name != "ganzoo"])
def test_imports_go_down(module: str) -> None:
    floor = floor_of(module)

    upward = {name for name in own(imported(MODULES[module])) if floor_of(name) > floor}

    assert not upward, f"'{module}' is on floor {floor}"


def test_no_two_modules_need_each_other() -> None:
    graph = {name: own(imported(path)) - {name} for name, path in MODULES.items()}

    order = list(TopologicalSorter(graph).static_order())

    assert set(MODULES) - {"ganzoo"} <= set(order)


def test_torch_stays_out_of_the_lower_floors_and_of_the_command_line() -> None:
    light = [
        (name, path)
        for name, path in MODULES.items()
        if name == "ganzoo"
        or (name.split(".")[1] in WITHOUT_TORCH and name != "ganzoo.cli.network_table")
    ]

    heavy = {
        name: found
        for name, path in light
        if (found := {each.split(".")[0] for each in imported(path, lazy=False)} & HEAVY)
    }

    assert not heavy


def test_the_core_imports_no_plugin() -> None:
    plugins = {path.name for path in (ROOT / "plugins").iterdir() if path.is_dir()}

    found = {
        name: reached
        for name, path in MODULES.items()
        if (reached := {each.split(".")[0] for each in imported(path)} & plugins)
    }

    assert plugins
    assert not found


@pytest.mark.parametrize(
    "path", sorted((ROOT / "plugins").rglob("*.py")), ids=lambda path: path.stem
)
def test_a_plugin_imports_the_public_contract_and_its_siblings_only(path: Path) -> None:
    package = path.relative_to(ROOT / "plugins").parts[0]

    ours = {name for name in imported(path) if name.split(".")[0].startswith("ganzoo")}

    strangers = {name for name in ours if name.split(".")[0] != package} - {"ganzoo.api"}
    assert not strangers


def test_checking_a_recipe_leaves_torch_unimported() -> None:
    program = (
        "import sys\n"
        "from ganzoo.cli.app import ganzoo\n"
        "for words in (['check', 'dcgan_mnist'], ['list'], ['plugins'], ['show', 'adam'],\n"
        "              ['show', 'dcgan_mnist'], ['schema'], ['run', '-h'], ['-h']):\n"
        "    try:\n"
        "        ganzoo.main(words)\n"
        "    except SystemExit as end:\n"
        "        assert end.code == 0, (words, end.code)\n"
        "    heavy = {'torch', 'torchvision', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "    assert not heavy, (words, heavy)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "GANZOO_BLOCK": "*"},
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "package", sorted(path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py"))
)
def test_no_two_files_of_a_plugin_need_each_other(package: str) -> None:
    folder = ROOT / "plugins" / package
    files = {
        ".".join(path.relative_to(ROOT / "plugins").with_suffix("").parts): path
        for path in folder.rglob("*.py")
    }
    graph: dict[str, set[str]] = {}
    for name, path in files.items():
        graph[name] = set()
        # Those for type checkers count, too: whoever reads the file follows them.
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                graph[name] |= inner & set(files) or {node.module or ""}

    order = list(TopologicalSorter(graph).static_order())

    assert set(files) <= set(order)
