"""Entry points, read as ``importlib.metadata`` reads them: importing that takes longer than this.

Nothing is remembered from one start to the next, so that nothing can be out of date.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from typing import NamedTuple

FILE = "entry_points.txt"
METADATA = ("METADATA", "PKG-INFO")
NOT_THERE = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
"""What makes a file of a distribution count as missing."""


class Entry(NamedTuple):
    """An entry point; a distribution that says neither name nor version has '' for them."""

    name: str
    value: str
    distribution: str
    version: str


def entries(group: str) -> list[Entry] | None:
    """Return the entry points of a group, of all distributions in the folders of ``sys.path``.

    None where something is damaged, or is not in a plain folder (a zip file, an egg, a finder of
    somebody else's): ``importlib.metadata`` knows what to do.
    """
    if any(
        hasattr(each, "find_distributions") and each is not PathFinder for each in sys.meta_path
    ):
        return None
    found: list[Entry] = []
    seen: set[str] = set()
    try:
        for place, name in _distributions():
            if name in seen:  # a distribution counts where an import would find it first
                continue
            seen.add(name)
            listed = [pair for section, pair in _pairs(_read(place, FILE)) if section == group]
            if listed:
                identity = _identity(place)
                found.extend(Entry(*pair, *identity) for pair in listed)
    except (OSError, ValueError):
        return None
    return found


def _distributions() -> Iterator[tuple[str, str]]:
    """Yield the folder of each distribution's metadata, and its name as others are compared to it.

    Raises:
        ValueError: where ``sys.path`` has more than folders.
    """
    for folder in sys.path:
        if folder.lower().endswith(".egg"):
            raise ValueError(folder)
        try:
            children = os.listdir(folder or ".")
        except OSError:
            if os.path.isfile(folder):
                raise ValueError(folder) from None
            continue
        # As importlib.metadata has it: those of one name stand together, where the first one is.
        named: dict[str, list[str]] = {}
        for child in children:
            stem, dot, kind = child.lower().rpartition(".")
            if dot and kind in {"dist-info", "egg-info"}:
                name = re.sub(r"[-_.]+", "_", stem.partition("-")[0])
                named.setdefault(name, []).append(child)
        for name, places in named.items():
            for place in places:
                yield os.path.join(folder, place), name


def _read(place: str, file: str) -> str:
    try:
        with open(os.path.join(place, file), encoding="utf-8") as opened:
            return opened.read()
    except NOT_THERE:
        return ""


def _pairs(text: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield sections and what each line in them says: 'name = value'.

    Raises:
        ValueError: for a line that says nothing of the kind.
    """
    section: str | None = None
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            section = line.strip("[]")
        elif section is not None:
            name, equals, value = line.partition("=")
            if not equals:
                raise ValueError(line)
            yield section, (name.strip(), value.strip())


def _identity(place: str) -> tuple[str, str]:
    """Return name and version of a distribution, '' where its metadata does not have them."""
    try:
        text = next(filter(None, (_read(place, file) for file in METADATA)), "")
    except (OSError, ValueError):
        return "", ""
    told: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip():
            break
        key, _, value = line.partition(":")
        told.setdefault(key.lower(), value.strip())
    return told.get("name", ""), told.get("version", "")
