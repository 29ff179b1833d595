"""Where the keys of a TOML text were written, which ``tomllib`` does not tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

Keys = tuple[str | int, ...]

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
