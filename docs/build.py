"""What the documentation takes from the program itself: commands, components, code, floors.

A hook of MkDocs. A page says where with a comment: ``<!-- from the program: commands -->``, and
``<!-- from the file: tests/x.py Name other -->`` for those classes and functions of a file.
"""

from __future__ import annotations

import ast
import json
import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import click

MARK = re.compile(r"<!-- from the program: (\w+) -->")
SOURCE = re.compile(r"<!-- from the file: (\S+\.py)((?: \w+)*) -->")
DOCS = Path(__file__).parent
WIDTH = 80
"""Columns of a help page in a terminal of 80."""


def on_config(config: Any) -> Any:
    """Add every decision to the navigation."""
    decisions = sorted((DOCS / "decisions").glob("*.md"))
    config.nav.append(
        {"Decisions": [{title(path): f"decisions/{path.name}"} for path in decisions]}
    )
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in what a page asks for."""
    markdown = SOURCE.sub(lambda match: code(DOCS.parent / match[1], match[2].split()), markdown)
    return MARK.sub(lambda match: PARTS[match[1]](), markdown)


def code(path: Path, names: list[str]) -> str:
    """Return classes, functions and hooks of a file as they are written there; without names, all.

    Raises:
        KeyError: naming what is not in the file.
    """
    text = path.read_text(encoding="utf-8")
    if not names:
        return f"```python\n{text.strip()}\n```"
    found = {
        each.name: each
        for each in ast.parse(text).body
        if isinstance(each, ast.ClassDef | ast.FunctionDef)
    }
    lines = text.splitlines()
    parts = []
    for name in names:
        start = min([found[name].lineno, *(each.lineno for each in found[name].decorator_list)])
        parts.append("\n".join(lines[start - 1 : found[name].end_lineno]))
    return "```python\n" + "\n\n\n".join(parts) + "\n```"


def title(page: Path) -> str:
    """Return a decision's heading without its number, which the file's name has."""
    heading = page.read_text(encoding="utf-8").partition("\n")[0]
    words = re.sub(r"^#\s*(\d+[.:]?)?\s*", "", heading)
    return words[:1].upper() + words[1:]


def commands() -> str:
    """Return the help page of every command."""
    from ganzoo.cli.app import ganzoo

    context = click.Context(ganzoo, info_name="ganzoo", help_option_names=["-h", "--help"])
    return "\n\n".join(
        f"## {place.command_path}\n\n```text\n{command.get_help(place)}\n```"
        for place, command in every(ganzoo, context)
    )


def every(group: click.Command, context: click.Context) -> Iterator[tuple[click.Context, Any]]:
    """Yield a command with all inside it."""
    context.terminal_width = WIDTH
    yield context, group
    if isinstance(group, click.Group):
        for name in [*group.list_commands(context), *shipped(group)]:
            found = group.get_command(context, name)
            assert found is not None
            yield from every(found, click.Context(found, parent=context, info_name=name))


def shipped(group: click.Group) -> list[str]:
    """Return the verbs of the plugins that come with ganzoo, of which only the root has any."""
    from ganzoo.cli.app import Verbs, added
    from ganzoo.plugin.discovery import OWN

    if not isinstance(group, Verbs):
        return []
    return [name for name, verb in added().items() if verb.origin.split()[0] == OWN]


def components() -> str:
    """Return every built-in component with its fields."""
    from ganzoo.plugin.describe import documentation, fields
    from ganzoo.plugin.kinds import KINDS
    from ganzoo.plugin.registry import load_plugins

    registry = load_plugins(block=["*"])
    captions = json.loads((DOCS / "images/components/captions.json").read_text())
    parts = []
    for kind in KINDS:
        parts.append(f"## {kind.capitalize()}")
        for use, spec in registry.specs(kind).items():
            parts.append(f"### `{use}` {{ #{kind}-{use} }}\n\n{prose(documentation(spec))}")
            picture = f"images/components/{kind}-{use}.png"
            if said := captions.get(f"{kind}/{use}"):
                parts.append(f"![Samples made with {use}]({picture})\n\n*{said}*")
            rows = [
                f"| `{field.name}` | {cell(field.help)} "
                f"*{cell(field.type.removesuffix(', or left out'))}; {usual(field)}* |"
                for field in fields(spec)
            ]
            if rows:
                parts.append("\n".join(["| key | meaning |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def recipes() -> str:
    """Return every shipped recipe with its header."""
    from ganzoo.cli.commands.list import recipe_rows

    rows = [
        f"| `{row['name']}` | {cell(row['group'])} | {cell(row['about'])} "
        f"*Expect: {cell(row['expect'])}* |"
        for row in recipe_rows()
    ]
    return "\n".join(["| recipe | trains on | description |", "|---|---|---|", *rows])


def keys() -> str:
    """Return the keys of a recipe's own tables."""
    from ganzoo.plugin.table import help_of
    from ganzoo.recipe.model import Recipe

    parts = []
    for name, field in Recipe.model_fields.items():
        # A table that may be left out is 'Table | None'.
        table = next(filter(None, (get_args(field.annotation) or (field.annotation,))))
        inner = getattr(table, "model_fields", None)
        if inner is None or name == "optimizer" or not hasattr(table, "__doc__"):
            continue
        if any(name == kind for kind in ("dataset", "generator", "discriminator", "loss")):
            continue
        owner = getattr(table, "__origin__", table)
        about = prose(owner.__doc__ or "")
        rows = [
            f"| `{each.alias or key}` | {cell(help_of(owner, key))} {cell(default(each))} |"
            for key, each in inner.items()
        ]
        head = ["| key | meaning |", "|---|---|"]
        parts.append("\n".join([f"### `[{name}]`", "", about, "", *head, *rows]))
    return "\n\n".join(parts)


def floors() -> str:
    """Return the floors of the package, each room with its purpose."""
    helper = runpy.run_path(str(DOCS.parent / "tests/helpers/floors.py"))
    rows = [
        f"| {floor} | `{name}` | {cell(purpose)} |" for floor, name, purpose in helper["table"]()
    ]
    return "\n".join(["| floor | where | what it is for |", "| ---: | --- | --- |", *rows])


def default(field: Any) -> str:
    """Return a field's default as a recipe writes it."""
    value = field.get_default(call_default_factory=True)
    if field.is_required() or value is None:
        return ""
    return f"*Default* `{str(value).lower() if isinstance(value, bool) else repr(value)}`".replace(
        "'", '"'
    )


def usual(field: Any) -> str:
    """Return what a component's field is unless it is given."""
    if field.default == "left out":
        return "optional"
    return "required" if field.default == "required" else f"default {cell(field.default)}"


def prose(text: str) -> str:
    """Return a docstring as Markdown."""
    return text.replace("``", "`").strip()


def cell(text: str) -> str:
    """Return text for a table's cell."""
    return " ".join(prose(str(text)).replace("|", "\\|").split())


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands, "components": components, "recipes": recipes, "keys": keys,
    "floors": floors,
}  # fmt: skip
