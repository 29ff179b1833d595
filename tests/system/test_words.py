"""The words that people read are plain, and those of the glossary (docs/glossary.md)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STIFF = {
    r"data sets?": "dataset",
    r"(is|are) in order[;.]": "OK",
    r"go(es)? on (with|any time|from|after an?)": "resume, continue",
    r"how to go on": "how to resume",
    r"MiB at most": "peak memory",
    r"nobody is there": "not a terminal",
    r"not settled": "not conclusive",
    r"undecided": "no result yet",
    r"told right": "classified correctly",
    r"taken for real": "classified as real",
    r"told apart": "distinguished",
    r"tells? no classes": "has no class labels",
    r"no class to order|makes no class": "not class-conditional",
    r"(is|are) told (the|its) class": "class-conditional",
    r"not chosen": "not cherry-picked",
    r"to repeat it": "reproduce",
    r"(was|were) begun": "started",
    r"beg[iu]ns? anew": "start again",
    r"what is missing of": "remaining",
    r"(is|are|be) held against": "compared with",
    r"(to|cannot|can) be had": "available",
    r"by heart": "memorized",
    r"unless you say": "by default",
    r"away with them": "remove",
    r"(is|are|be|been) told\b": "reported",
    r"tell its author": "report it to its author",
    r"the whole story": "details",
    r"(?<!there )is no (run|folder|file|name|plugin|component|dataset|tensor)": "is not a",
    r"stands? in brackets": "is shown in brackets",
    r"spread over \d+ turns": "varied by",
    r"looks? every": "measured every",
    r"gets? there|got there": "reaches the target",
    r"as ever\b": "works, as before",
    r"somebody else": "someone else",
    r"a stranger": "third-party",
    r"what it is worth": "what it contributes",
    r"is no (mean|time|player|copy)\b": "is not a",
    r"unlike rates?": "different learning rates",
    r"lost modes": "mode collapse, missing modes",
    r"made for a GPU": "meant for a GPU",
    r"\b(image|step|sample|cell) a (step|side|class|row)\b": "per",
    r"a class a row|one a row": "one per row",
    r"unless given": "by default",
    r"(taken|made|drawn|written|seeded) anew": "recomputed, new, again",
    r"takes? (it|them) away": "removes",
    r"the way back, of": "the other direction",
    r"held to be": "assumed to be",
}
"""Phrases that were replaced, each with what stands there now."""
PUBLIC = ("session.py", "model.py", "specs.py", "types.py")
"""Files whose docstrings docs/python-api.md shows."""
SPOKEN = ("command", "group", "option", "argument")
"""Decorators of click, whose function's docstring is a help page."""


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of all that a file has for people to read."""
    whole = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from strings(ast.parse(whole), all_shown=path.name in PUBLIC)
    elif path.suffix == ".toml":
        for number, line in enumerate(whole.splitlines(), 1):
            if "#" in line:
                yield number, line.partition("#")[2]
    else:
        for part in re.finditer(r"(?:.+\n?)+", re.sub(r"(?s)\{#.*?#\}", "", whole)):
            yield whole.count("\n", 0, part.start()) + 1, part[0]


def strings(tree: ast.Module, *, all_shown: bool) -> Iterator[tuple[int, str]]:
    """Yield strings that may be shown: all but docstrings, and those that are help or reference."""
    docstrings, shown = set(), set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        found = [each.value for each in body if isinstance(each, ast.Expr)]
        docstrings |= {each for each in found if isinstance(each, ast.Constant)}
        if all_shown or is_shown(node):
            shown |= {each for each in found if isinstance(each, ast.Constant)}
    inside = {
        part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [each.value if isinstance(each, ast.Constant) else "X" for each in node.values]
            yield node.lineno, "".join(map(str, parts))
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node not in inside
            and (node not in docstrings or node in shown)
        ):
            yield node.lineno, node.value


def is_shown(node: ast.AST) -> bool:
    """Return whether the docstrings in a node are shown: a spec's, a model's, a command's."""
    if isinstance(node, ast.ClassDef):
        has_fields = any(isinstance(each, ast.AnnAssign) for each in node.body)
        bases = [ast.unparse(each) for each in node.bases]
        return has_fields and bases != ["NamedTuple"] and bool(bases)
    if isinstance(node, ast.FunctionDef):
        names = [ast.unparse(each).partition("(")[0] for each in node.decorator_list]
        return any(name.rpartition(".")[2] in SPOKEN for name in names)
    return False


def faults(path: Path) -> list[str]:
    """Return each stiff phrase of a file, with its line and the plain word for it."""
    found = []
    for line, text in texts(path):
        said = " ".join(re.sub(r"`[^`]*`", "", text).split())
        found += [
            f"{path.name}:{line}: '{match[0]}': {plain}"
            for phrase, plain in STIFF.items()
            if (match := re.search(rf"\b(?:{phrase})", said, re.IGNORECASE))
        ]
    return found


def files() -> list[Path]:
    """Return every file with text for people."""
    rooms = {"ganzoo": (".py", ".html", ".js", ".txt"), "plugins": (".py",), "docs": (".md",),
             "recipes": (".toml",), "examples": (".py", ".md", ".toml")}  # fmt: skip
    inner = [
        path
        for room, ends in rooms.items()
        for path in sorted((ROOT / room).rglob("*"))
        if path.suffix in ends and path.name != "glossary.md"
    ]
    return [*inner, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md"))]


def test_no_text_for_people_has_a_stiff_phrase() -> None:
    found = [each for path in files() for each in faults(path)]

    assert not found, "\n".join([*found, "docs/glossary.md has the words to use"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("help.py", 'import click\n@click.command()\ndef a():\n    """Go on with RUN."""\n'),
        ("error.py", 'raise E(f"dataset {name!r} is not to be "\n    f"had; {advice}")\n'),
        ("field.py", 'class A(LossSpec):\n    x: int = 1\n    """What is told."""\n'),
        ("page.html", "<p>fakes, not\nchosen</p>\n"),
        ("page.md", "All mistakes are\ntold at once.\n"),
        ("recipe.toml", "# A data set\n"),
    ],
)
def test_a_stiff_phrase_is_found_wherever_people_read_it(
    name: str, text: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text)

    assert len(faults(path)) == 1


def test_what_only_programmers_read_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "inner.py"
    path.write_text('"""What is told."""\n\n\ndef a():\n    """Go on with it."""\n')

    assert not faults(path)
