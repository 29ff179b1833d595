"""Where plugins are: entry points of installed distributions, and files of the user's."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Protocol

from ganzoo.common.errors import PluginError, printable, say
from ganzoo.plugin.limits import NAME, overlong

OWN = "ganzoo-torch"
"""The distribution that ganzoo and its own plugins come in."""
GROUP = "ganzoo"
"""The entry-point group that ganzoo's own plugins and everybody else's are found in."""


class Named(Protocol):
    """What has a name of its own and comes in a distribution."""

    @property
    def name(self) -> str: ...

    @property
    def distribution(self) -> str: ...


@dataclass(frozen=True)
class Candidate:
    """A plugin before its code runs.

    Attributes:
        name: of its entry point, or the stem of its file.
        source: 'entry point' or 'file'.
        origin: where it comes from, for people.
        target: the module or file that is imported.
        load: runs its code and returns the object with the hooks, and its module.
    """

    name: str
    distribution: str
    version: str
    source: str
    origin: str
    target: str
    load: Callable[[], tuple[object, ModuleType]]

    @property
    def is_own(self) -> bool:
        """Whether it comes with ganzoo."""
        return canonical(self.distribution) == OWN

    @property
    def order(self) -> tuple[bool, str, str]:
        """Its place among others: ganzoo's own come first, so that nobody can take their names."""
        return not self.is_own, self.name, self.origin

    @property
    def key(self) -> str:
        """Its name for pluggy: two distributions may use the same entry point's name."""
        return f"{self.name} = {self.target} ({self.origin})"


@dataclass(frozen=True)
class Broken:
    """A plugin that was set aside, from where it came and why, in one line."""

    name: str
    source: str
    error: str
    distribution: str = ""

    def __str__(self) -> str:
        return f"{self.source} ({self.error})"


def installed() -> tuple[list[Candidate], list[Broken]]:
    """Return every entry point of the group, and distributions whose list cannot be read."""
    entries: list[importlib.metadata.EntryPoint] = []
    unreadable: list[Broken] = []
    try:
        # A distribution that is on sys.path twice comes once here, as an import would find it.
        entries.extend(importlib.metadata.entry_points(group=GROUP))
    except Exception:  # noqa: BLE001  some distribution's metadata is damaged: look at each alone
        for distribution in importlib.metadata.distributions():
            try:
                entries.extend(distribution.entry_points.select(group=GROUP))
            except Exception as error:  # noqa: BLE001
                name, _ = _identity(distribution)
                reason = f"unreadable entry points: {say(error)}"
                unreadable.append(Broken(name, name, reason, name))
    identities: dict[int, tuple[str, str]] = {}  # reading them takes longer than all the rest
    found: dict[tuple[str, str, str], Candidate] = {}
    for entry in entries:
        if id(entry.dist) not in identities:
            identities[id(entry.dist)] = _identity(entry.dist)
        distribution_name, version = identities[id(entry.dist)]
        if problem := overlong(entry.name) or overlong(distribution_name):
            name = printable(entry.name, NAME)
            source = printable(distribution_name, NAME)
            unreadable.append(Broken(name, source, problem, source))
            continue
        found.setdefault(
            (canonical(distribution_name), entry.name, entry.value),
            Candidate(
                name=printable(entry.name),
                distribution=distribution_name,
                version=version,
                source="entry point",
                origin=f"{distribution_name} {version}".strip(),
                target=entry.value,
                load=partial(_load_entry_point, entry),
            ),
        )
    return list(found.values()), unreadable


def _identity(distribution: importlib.metadata.Distribution | None) -> tuple[str, str]:
    found: dict[str, str] = {}
    if distribution is not None:
        # Damaged or missing metadata say nothing about the plugin, which may be fine.
        with contextlib.suppress(Exception):
            metadata = distribution.metadata
            given = {key: metadata[key] for key in ("Name", "Version") if key in metadata}
            found = {key: printable(text, len(text)) for key, text in given.items()}
    return found.get("Name") or "a nameless distribution", found.get("Version", "")[:NAME]


def is_blocked(candidate: Candidate, names: Collection[str]) -> bool:
    """Tell whether ``names``, '*' or names of plugins and distributions, leave a candidate out."""
    if "*" in names and not candidate.is_own:
        return True
    return not names_of(candidate).isdisjoint(map(canonical, names))


def names_of(plugin: Named) -> set[str]:
    """Return the names by which a plugin can be asked for."""
    return {canonical(name) for name in (plugin.name, plugin.distribution) if name}


def canonical(name: str) -> str:
    """Return a distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _load_entry_point(entry: importlib.metadata.EntryPoint) -> tuple[object, ModuleType]:
    plugin = entry.load()
    return plugin, sys.modules[entry.module]


def local(path: Path, given: Path) -> Candidate:
    """Return the candidate that a file of the user's is.

    Args:
        path: where it is.
        given: how the user wrote it.

    Raises:
        PluginError: if it is no file that can be imported.
    """
    if path.suffix != ".py":
        raise PluginError(f"{given}: a plugin is a .py file")
    if not path.is_file():
        what = "a folder, not a file" if path.is_dir() else "no such file"
        raise PluginError(f"{given}: {what}")
    if not path.stem.isidentifier() or path.stem.startswith("__"):
        raise PluginError(
            f"{given}: a plugin is imported by its name, and {path.stem!r} is not a Python name; "
            "rename it with letters, digits and '_'"
        )
    return Candidate(
        name=path.stem,
        distribution="",
        version="",
        source="file",
        origin=str(given),
        target=str(path),
        load=partial(_load_file, path),
    )


def _load_file(path: Path) -> tuple[object, ModuleType]:
    """Import a file by its stem, so that worker processes find it by the same name."""
    folder = str(path.parent)
    importlib.invalidate_caches()
    known = sys.modules.get(path.stem)
    origin = getattr(known, "__file__", None) if known else _origin(path.stem)
    if (known or origin) and not (origin and Path(origin).resolve() == path):
        raise PluginError(
            f"{path.stem!r} is the name of another module ({origin or 'built in'}); rename the file"
        )
    sha256 = sha256_of(path)
    if known and getattr(known, "__ganzoo_sha256__", sha256) != sha256:
        del sys.modules[path.stem]  # edited since it was imported
    if folder not in sys.path:
        sys.path.append(folder)
    module = importlib.import_module(path.stem)
    vars(module)["__ganzoo_sha256__"] = sha256
    return module, module


def _origin(name: str) -> str | None:
    spec = importlib.util.find_spec(name)
    return None if spec is None else spec.origin  # None as well for a folder without __init__.py


def sha256_of(root: Path | None) -> str:
    """Return the hash of a file's bytes, or of the names and bytes of all .py files in a folder."""
    if root is None or not root.exists():  # inside a zip file, for example
        return ""
    if root.is_file():
        return hashlib.sha256(root.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    files = (file for file in root.rglob("*.py") if file.is_file())
    for name, file in sorted((file.relative_to(root).as_posix(), file) for file in files):
        content = file.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
