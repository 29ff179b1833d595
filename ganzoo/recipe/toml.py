"""TOML text as tables that know the line of every key, within the limits of what a recipe is."""

from __future__ import annotations

import os
import re
import stat
import tomllib
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli_w

from ganzoo.common.errors import printable
from ganzoo.common.system import AT_ONCE
from ganzoo.common.tables import Keys, leaves
from ganzoo.recipe.layers import Node, Origin, placed
from ganzoo.recipe.problems import Problem, RecipeError

MAX_BYTES = 64 * 1024
MAX_LINE = 2000
MAX_DEPTH = 16
MAX_STRING = 800
"""Characters of one text or key: escaped, it still fits a line of the frozen recipe."""

TOO_DEEP = f"tables or lists nested more than {MAX_DEPTH} deep; recipes need 4"

# tomllib takes quadratic time for long dotted keys.
_LONG_KEY = re.compile(rf"""\[*(?:\s*(?:[\w-]+|"[^"]*"|'[^']*')\s*\.){{{MAX_DEPTH}}}""")
_ERROR_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_ADVICE = {
    "Invalid value": "a value is a number, true, false, a list, or text in quotes",
    "Invalid statement": "a line is a [table], key = value, or a # comment",
    "Cannot overwrite a value": "the key is there twice; remove one",
}
_TOKEN = re.compile(
    r'''
      """(?:\\.|[^\\])*?"""(?:"{0,2})   # the closing quotes may have two of the text before them
    | \'\'\'.*?\'\'\'(?:'{0,2})
    | "(?:\\.|[^"\\])*"
    | '[^']*'
    | \#[^\n]*
    | [\[\]{},=.\n]
    | [^\s\[\]{},=."'\#]+
    ''',
    re.DOTALL | re.VERBOSE,
)


def parse(path: Path) -> Node:
    """Read one file; the root's place is the file, line 0.

    Raises:
        RecipeError: if it is no regular file, larger or deeper than any recipe, not UTF-8, not
            TOML, or holds invisible characters; naming file and line.
    """
    file = printable(str(path), 300)
    text = _text(path, file)
    rows = text.split("\n")

    def wrong(line: int, message: str) -> RecipeError:
        return RecipeError([Problem(file, line, "", message, rows[line - 1].strip())])

    for line, row in enumerate(rows, 1):
        if len(row) > MAX_LINE:
            raise wrong(line, f"a line of {len(row)} characters; {MAX_LINE} are allowed")
        if _LONG_KEY.match(row.lstrip()):
            raise wrong(line, f"a key of more than {MAX_DEPTH} parts; recipes need 4")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise wrong(*_explained(str(error), rows)) from None
    except RecursionError:
        raise RecipeError([Problem(file, 0, "", TOO_DEEP)]) from None
    except ValueError as error:  # an integer of thousands of digits
        raise RecipeError([Problem(file, 0, "", f"not TOML: {error}")]) from None
    if depth(tables) > MAX_DEPTH:
        raise RecipeError([Problem(file, 0, "", TOO_DEEP)])
    lines = lines_of_keys(text)
    places = {keys: Origin(file, line, rows[line - 1].strip()) for keys, line in lines.items()}
    _refuse_invisible(tables, places)
    return placed(tables, places, Origin(file, 0, ""))


def _text(path: Path, file: str) -> str:
    """Return the text of a regular file of at most ``MAX_BYTES``."""

    def wrong(message: str, line: int = 0) -> RecipeError:
        return RecipeError([Problem(file, line, "", message)])

    try:
        if path.is_dir():  # which Windows does not open
            raise wrong("a folder, not a file; give the path of a .toml file")
        descriptor = os.open(path, os.O_RDONLY | AT_ONCE)
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise wrong("a pipe or device, not a file; give the path of a .toml file")
            with open(descriptor, "rb", closefd=False) as opened:
                content = opened.read(MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise wrong(f"cannot be read ({reason}); give the path of a .toml file") from None
    if len(content) > MAX_BYTES:
        raise wrong(f"more than {MAX_BYTES // 1024} KiB; no recipe needs as much")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise wrong("not UTF-8; save it as UTF-8 text", line) from None


def _explained(message: str, rows: list[str]) -> tuple[int, str]:
    """Return line and wording of tomllib's ``message`` about a text of ``rows``."""
    last = max((line for line, row in enumerate(rows, 1) if row.strip()), default=1)
    found = _ERROR_PLACE.search(message)
    line = min(int(found[1]), last) if found and found[1] else last
    what = _ERROR_PLACE.sub("", message)
    advice = _ADVICE.get(what, "correct this line, or the one before it")
    hidden = [each for each in rows[line - 1] if each != "\t" and not each.isprintable()]
    if hidden:
        advice = f"the line holds the invisible character U+{ord(hidden[0]):04X}; remove it"
    return line, f"not TOML: {what[:1].lower()}{what[1:]}; {advice}"


def depth(value: object) -> int:
    """Return how deep tables and lists lie in each other, without recursion."""
    levels = 0
    level = [value]
    while level:
        levels += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return levels - 1


def unfit(text: str) -> str:
    """Return why ``text`` may not stand in a recipe: too long, or not all visible; or ''."""
    if len(text) > MAX_STRING:
        return f"{len(text)} characters of text; {MAX_STRING} are allowed"
    for character in text:
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            return f"holds the invisible character U+{ord(character):04X}; remove it"
    return ""


def _refuse_invisible(tables: dict[str, Any], places: dict[Keys, Origin]) -> None:
    problems = []
    for keys, value in leaves(tables, each_item=True):
        written = [part for part in (*keys, value) if isinstance(part, str)]
        message = next(filter(None, map(unfit, written)), "")
        if message:
            place = places[keys]
            name = printable(".".join(map(str, keys)), 80)
            problems.append(Problem(place.file, place.line, name, message, place.text))
    if problems:
        raise RecipeError(problems)


def lines_of_keys(text: str) -> dict[Keys, int]:
    """Return the line, counted from 1, on which each key and list item of ``text`` begins.

    A table's line is the first that mentions it. ``text`` has been read by ``tomllib`` before and
    found good; for other text the answer means nothing.
    """
    return dict(_Scanner(text).scan())


class _Scanner:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, int]] = []
        line, at = 1, 0
        for match in _TOKEN.finditer(text):
            line += text.count("\n", at, match.start())
            at = match.start()
            if not match[0].startswith("#"):
                self.tokens.append((match[0], line))
        self.tokens.append(("\n", line))
        self.next = 0
        self.items: dict[Keys, int] = {}  # tables in each array of tables, so far
        self.lines: dict[Keys, int] = {}

    def scan(self) -> dict[Keys, int]:
        table: Keys = ()
        while self.next < len(self.tokens):
            token = self.token
            if token == "[":
                table = self.header()
            elif token == "\n":
                self.next += 1
            else:
                self.pair(table)
        return self.lines

    @property
    def token(self) -> str:
        return self.tokens[self.next][0]

    def header(self) -> Keys:
        """Read ``[a.b]`` or ``[[a.b]]``."""
        line = self.tokens[self.next][1]
        is_item = self.tokens[self.next + 1][0] == "["
        self.next += 1 + is_item
        parts = self.key("]")
        self.next += 1 + is_item
        path: Keys = ()
        for depth, part in enumerate(parts, 1):
            path += (part,)
            if depth == len(parts) and is_item:
                self.items[path] = self.items.get(path, 0) + 1
            if path in self.items:
                self.write(path, line)
                path += (self.items[path] - 1,)
        self.write(path, line)
        return path

    def pair(self, table: Keys) -> None:
        """Read ``key = value``."""
        line = self.tokens[self.next][1]
        path = (*table, *self.key("="))
        self.next += 1
        self.write(path, line)
        self.value(path)

    def key(self, end: str) -> tuple[str, ...]:
        parts = []
        while (token := self.token) != end:
            if token != ".":
                parts.append(_unquoted(token))
            self.next += 1
        return tuple(parts)

    def value(self, path: Keys) -> None:
        opening = self.token
        if opening == "[":
            self.next += 1
            for index, line in enumerate(self.entries("]")):
                self.write((*path, index), line)
                self.value((*path, index))
        elif opening == "{":
            self.next += 1
            for _ in self.entries("}"):
                self.pair(path)
        else:
            while self.token not in {",", "]", "}", "\n"}:
                self.next += 1

    def entries(self, closing: str) -> Iterator[int]:
        """Stop at each entry of a list or inline table and give its line; it is read meanwhile."""
        while (token := self.token) != closing:
            if token in {",", "\n"}:
                self.next += 1
            else:
                yield self.tokens[self.next][1]
        self.next += 1

    def write(self, path: Keys, line: int) -> None:
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.lines:
                return
            self.lines[path[:depth]] = line


def _unquoted(token: str) -> str:
    return next(iter(tomllib.loads(f"{token} = 0"))) if token[0] in "\"'" else token


def inline(value: object) -> str:
    """Return a value as TOML on one line, tables and lists of tables included."""
    if isinstance(value, list):
        return f"[{', '.join(map(inline, value))}]"
    written = tomli_w.dumps({"x": [[value]]}, indent=0)
    text = written.partition("=")[2].replace("\n", " ")
    for _ in range(2):  # inside two lists, nothing becomes a table of its own
        text = text.strip()[1:-1].strip().removesuffix(",")
    return text.strip()
