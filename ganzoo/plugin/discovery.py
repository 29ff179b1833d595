"""Where plugins are: entry points of installed distributions, and files of the user's."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from ganzoo.common.errors import PluginError, printable, say
from ganzoo.plugin.entries import Entry, entries
from ganzoo.plugin.limits import NAME, overlong

if TYPE_CHECKING:
    import importlib.metadata

OWN = "ganzoo-torch"
"""The distribution that ganzoo and its own plugins come in."""
GROUP = "ganzoo"
"""The entry-point group that ganzoo's own plugins and everybody else's are found in."""
NAMELESS = "a nameless distribution"


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
    listed, unreadable = entries(GROUP), list[Broken]()
    if listed is None:
        listed = _by_importlib(unreadable)
    found: dict[tuple[str, str, str], Candidate] = {}
    for entry in listed:
        distribution = printable(entry.distribution, len(entry.distribution)) or NAMELESS
        version = printable(entry.version, len(entry.version))[:NAME]
        if problem := overlong(entry.name) or overlong(distribution):
            name, source = printable(entry.name, NAME), printable(distribution, NAME)
            unreadable.append(Broken(name, source, problem, source))
            continue
        found.setdefault(
            (canonical(distribution), entry.name, entry.value),
            Candidate(
                name=printable(entry.name),
                distribution=distribution,
                version=version,
                source="entry point",
                origin=f"{distribution} {version}".strip(),
                target=entry.value,
                load=partial(_load_entry_point, entry.value),
            ),
        )
    return list(found.values()), unreadable


def _by_importlib(unreadable: list[Broken]) -> list[Entry]:
    """Return what Python's own library finds; what it cannot read is added to ``unreadable``."""
    import importlib.metadata as library

    found: list[library.EntryPoint] = []
    try:
        # A distribution that is on sys.path twice comes once here, as an import would find it.
        found.extend(library.entry_points(group=GROUP))
    except Exception:  # noqa: BLE001  some distribution's metadata is damaged: look at each alone
        for distribution in library.distributions():
            try:
                found.extend(distribution.entry_points.select(group=GROUP))
            except Exception as error:  # noqa: BLE001
                name = _identity(distribution)[0] or NAMELESS
                reason = f"unreadable entry points: {say(error)}"
                unreadable.append(Broken(name, name, reason, name))
    identities: dict[int, tuple[str, str]] = {}  # reading them takes longer than all the rest
    for entry in found:
        if id(entry.dist) not in identities:
            identities[id(entry.dist)] = _identity(entry.dist)
    return [Entry(each.name, each.value, *identities[id(each.dist)]) for each in found]


def _identity(distribution: importlib.metadata.Distribution | None) -> tuple[str, str]:
    found: dict[str, str] = {}
    if distribution is not None:
        # Damaged or missing metadata say nothing about the plugin, which may be fine.
        with contextlib.suppress(Exception):
            metadata = distribution.metadata
            given = {key: metadata[key] for key in ("Name", "Version") if key in metadata}
            found = {key: printable(text, len(text)) for key, text in given.items()}
    return found.get("Name", ""), found.get("Version", "")


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


def _load_entry_point(target: str) -> tuple[object, ModuleType]:
    if all(part.isidentifier() for part in target.split(".")):
        module = importlib.import_module(target)
        return module, module
    from importlib.metadata import EntryPoint

    entry = EntryPoint("", target, GROUP)
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
    for name, path in sorted(_sources(str(root))):
        with open(path, "rb") as file:
            content = file.read()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _sources(folder: str, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield the .py files in a folder and below: their names from there, and their paths."""
    try:
        with os.scandir(folder) as found:
            inside = list(found)
    except PermissionError:
        return
    for each in inside:
        if each.name.endswith(".py") and each.is_file():
            yield before + each.name, each.path
        if each.is_dir(follow_symlinks=False):
            yield from _sources(each.path, f"{before}{each.name}/")
