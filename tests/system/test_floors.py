"""Who may import whom: the floors of docs/architecture.md, read from the source."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from floors import FLOORS, purpose, table

ROOT = Path(__file__).parents[2]
MOST_NAMES = 16
"""Packages and modules in ``ganzoo/`` itself."""
WITHOUT_TORCH = {"common", "_version", "plugin", "recipe", "api", "session", "cli"}
"""These do not import torch when they are imported."""
HEAVY = {"torch", "torchvision", "sklearn", "scipy", "matplotlib", "numpy"}


def name_of(path: Path) -> str:
    """Return the dotted name of a module's file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted((ROOT / "ganzoo").rglob("*.py"))}


def statements(
    node: ast.AST, *, lazy: bool = True, typing: bool = False
) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports in a file.

    Args:
        node: where to look.
        lazy: whether those inside functions count.
        typing: whether those count that are for type checkers only, and never executed.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif is_typing(child) and not typing:
            assert isinstance(child, ast.If)
            for other in child.orelse:
                yield from statements(other, lazy=lazy)
        elif lazy or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from statements(child, lazy=lazy, typing=typing)


def is_typing(node: ast.AST) -> bool:
    """Return whether a statement is ``if TYPE_CHECKING``."""
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imported(path: Path, *, lazy: bool = True, typing: bool = False) -> set[str]:
    """Return the dotted names of all modules that a file imports."""
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for statement in statements(tree, lazy=lazy, typing=typing):
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


def needs() -> dict[str, set[str]]:
    """Return for every file the files it needs, be it late or for its types only."""
    return {
        name: own(imported(path, typing=True)) - {name}
        for name, path in MODULES.items()
        if name != "ganzoo"
    }


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Return a way from a node back to itself, or nothing where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_name_in_the_package_has_its_floor_and_there_are_few() -> None:
    names = {name.split(".")[1] for name in MODULES if name != "ganzoo"}

    floors = {name: floor_of(f"ganzoo.{name}") for name in names}

    assert len(FLOORS) == 9
    assert set(floors.values()) == set(range(9))
    assert len(names | {"__init__"}) <= MOST_NAMES


@pytest.mark.parametrize("module", [name for name in MODULES if name != "ganzoo"])
def test_imports_go_down(module: str) -> None:
    floor = floor_of(module)

    ours = own(imported(MODULES[module], typing=True))
    upward = {name for name in ours if floor_of(name) > floor}

    assert not upward, f"'{module}' is on floor {floor}"


def test_no_two_packages_need_each_other() -> None:
    graph: dict[str, set[str]] = {}
    for name, others in needs().items():
        package = name.split(".")[1]
        graph.setdefault(package, set()).update(
            {other.split(".")[1] for other in others} - {package}
        )

    assert not circle(graph)


def test_no_two_files_need_each_other() -> None:
    assert not circle(needs())


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "c", "b", "a"]
    assert not circle({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_a_command_imports_no_other_command() -> None:
    commands = "ganzoo.cli.commands"
    each = {name: path for name, path in MODULES.items() if name.startswith(f"{commands}.")}

    others = {
        name: found
        for name, path in each.items()
        if (found := {one for one in imported(path, typing=True) if one.startswith(commands)})
    }

    assert len(each) > 10
    assert not others


def test_every_room_says_in_one_line_what_it_is_for() -> None:
    purposes = {name: purpose(name) for names in FLOORS for name in names if name != "_version"}

    wordless = [name for name, said in purposes.items() if said[-1:] not in {".", "?"}]
    long = [name for name, said in purposes.items() if len(said) > 110]

    assert not wordless
    assert not long
    assert {floor for floor, _, _ in table()} == set(range(1, 10))


@pytest.mark.parametrize(
    ("page", "roots"),
    [("CONTRIBUTING.md", (ROOT,)), ("docs/architecture.md", (ROOT, ROOT / "ganzoo"))],
)
def test_the_files_that_a_newcomer_is_led_to_are_there(page: str, roots: tuple[Path, ...]) -> None:
    rows = re.findall(r"^\| (?!---).*", (ROOT / page).read_text(encoding="utf-8"), flags=re.M)

    named = {
        word
        for row in rows
        for word in re.findall(r"`([\w./*-]+)`", row)
        if "/" in word and not word.startswith("templates/")
    }

    missing = {name for name in named if not any([*root.glob(name)] for root in roots)}
    assert len(named) > 10
    assert not missing


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

    # A verb opens runs as anybody does from Python: by the names of 'ganzoo' itself.
    public = {"ganzoo.api", "ganzoo"}
    strangers = {name for name in ours if name.split(".")[0] != package} - public
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
