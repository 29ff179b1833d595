"""What ganzoo's own plugins supply, remembered by the hash of their code: names without imports.

Most commands want a few components of many. So the names are kept in the user's cache, and a
component's module is imported when it is asked for. A file that is stale has another name, and is
not found; one whose content is not what was written, or which promises what is not there, is passed
over, and the plugins are loaded as if there were none. So a name that is not in it does not exist.
Nothing outside of a plugin's own package is imported for it. Plugins of others are loaded each
time: what those supply may depend on anything.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ganzoo._version import __version__
from ganzoo.common.data_root import cache_root
from ganzoo.common.errors import GanzooError, printable
from ganzoo.common.files import parse_json, publish
from ganzoo.common.inside import read_inside
from ganzoo.plugin import models, verbs
from ganzoo.plugin.discovery import Candidate, sha256_of
from ganzoo.plugin.kinds import KINDS
from ganzoo.plugin.loader import Plugin
from ganzoo.plugin.models import TrainedModel
from ganzoo.plugin.verbs import Verb

if TYPE_CHECKING:
    from ganzoo.plugin.specs import Spec

FORMAT = 2
FOLDER = "plugins"
MOST_BYTES = 1 << 20
KEPT = 8
"""Indexes that are kept, the newest: of other versions and environments of the same user."""


@dataclass(frozen=True)
class Promise:
    """A component that is there to be imported.

    Attributes:
        module: in the plugin's package.
        name: of its class there.
        about: the first line of its docstring.
    """

    kind: str
    use: str
    module: str
    name: str
    about: str

    def kept(self) -> type[Spec] | None:
        """Import the class; None where it is not what was promised."""
        try:
            found: Any = attrgetter(self.name)(importlib.import_module(self.module))
        except (ImportError, AttributeError, ValueError):
            return None
        if not (isinstance(found, type) and issubclass(found, KINDS[self.kind].spec)):
            return None
        is_same = (found.kind, getattr(found, "use", None)) == (self.kind, self.use)
        return found if is_same else None


@dataclass(frozen=True)
class Known:
    """A plugin that need not be loaded to be listed.

    Attributes:
        later: the candidate it is, where it has hooks that are called when a run is made.
    """

    plugin: Plugin
    promises: tuple[Promise, ...]
    later: Candidate | None


class Index:
    """The index of these plugins, where there is one.

    Args:
        candidates: ganzoo's own, all of them.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._candidates = {each.name: each for each in candidates}
        self._roots = {name: root_of(each) for name, each in self._candidates.items()}
        self._hashes = {name: sha256_of(root) for name, root in self._roots.items()}
        self._path = self._place()

    def read(self) -> dict[str, Known]:
        """Return what is known of the plugins, by their names; nothing where that is not whole."""
        if self._path is None:
            return {}
        try:
            told = parse_json(read_inside(self._path.parent, self._path.name, most=MOST_BYTES))
            content = told["plugins"]
            if told["sha256"] != seal(content):
                return {}
            known = {name: self._known(name, each) for name, each in content.items()}
        except (OSError, GanzooError, ValueError, TypeError, KeyError, AttributeError):
            return {}
        names = [(each.kind, each.use) for one in known.values() for each in one.promises]
        return known if len(set(names)) == len(names) else {}

    def write(
        self,
        plugins: Iterable[Plugin],
        specs: Mapping[str, Sequence[type[Spec]]],
        has_later_hooks: Callable[[Plugin], bool],
    ) -> None:
        """Remember what was loaded; where that cannot be written, it is loaded again next time."""
        if self._path is None:
            return
        content = {}
        for plugin in plugins:
            promises = [promise_of(spec) for spec in specs[plugin.name]]
            if any(self._wrong(plugin.name, each) or each.kept() is None for each in promises):
                return
            root = self._roots[plugin.name]
            if not all(root and each.folder.is_relative_to(root) for each in plugin.models):
                return
            content[plugin.name] = {
                "components": [list(vars(each).values()) for each in promises],
                "verbs": {verb.name: [verb.place, verb.about] for verb in plugin.verbs},
                "models": [
                    vars(each)
                    | {"folder": each.folder.relative_to(root).as_posix(), "urls": list(each.urls)}
                    for each in plugin.models
                    if root
                ],
                "later": has_later_hooks(plugin),
            }
        with suppress(OSError, GanzooError):
            publish(self._path, json.dumps({"sha256": seal(content), "plugins": content}))
            self._clear()

    def forget(self) -> None:
        """Remove the index: something in it was not true."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _place(self) -> Path | None:
        """Return where the index of exactly this code is; None where there can be none."""
        root = cache_root()
        if root is None or not all(self._hashes.values()):
            return None
        own = Path(__file__).parent
        told = [
            FORMAT,
            __version__,
            sys.version_info[:3],
            sys.flags.optimize,
            sha256_of(own),
            sha256_of(own.parent / "api.py"),
            sorted((name, str(self._roots[name]), sha) for name, sha in self._hashes.items()),
            sorted((each.name, each.version, each.target) for each in self._candidates.values()),
        ]
        digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        return root / FOLDER / f"{digest[:32]}.json"

    def _known(self, name: str, told: Mapping[str, Any]) -> Known:
        """Return what is known of a plugin.

        Raises:
            ValueError: for what no index says; TypeError, KeyError and GanzooError as well.
        """
        candidate = self._candidates[name]
        promises = tuple(Promise(*each) for each in told["components"])
        if any(self._wrong(name, each) for each in promises):
            raise ValueError(name)
        added = verbs.checked({verb: tuple(each) for verb, each in told["verbs"].items()})
        plugin = Plugin(
            name=candidate.name,
            distribution=candidate.distribution,
            version=candidate.version,
            source=candidate.source,
            path=self._roots[name],
            sha256=self._hashes[name],
            components=tuple((each.kind, each.use) for each in promises),
            verbs=tuple(
                Verb(verb, place, about, candidate.name, candidate.origin)
                for verb, (place, about) in added.items()
            ),
            models=models.checked([self._model(name, each) for each in told["models"]]),
        )
        return Known(plugin, promises, candidate if told["later"] else None)

    def _model(self, name: str, told: Mapping[str, Any]) -> TrainedModel:
        root, inside = self._roots[name], PurePosixPath(told["folder"])
        if root is None or inside.is_absolute() or ".." in inside.parts:
            raise ValueError(name)
        return TrainedModel(**{**told, "folder": root / inside, "urls": tuple(told["urls"])})

    def _wrong(self, name: str, promise: Promise) -> bool:
        """Return whether a promise is none that this plugin can make."""
        package = self._candidates[name].target
        texts = list(vars(promise).values())
        if not all(isinstance(each, str) and each == printable(each, 300) for each in texts):
            return True
        is_inside = f"{promise.module}.".startswith(f"{package}.")
        parts = [*promise.module.split("."), *promise.name.split("."), promise.use]
        return not (is_inside and promise.kind in KINDS and all(p.isidentifier() for p in parts))

    def _clear(self) -> None:
        assert self._path is not None
        found = sorted(self._path.parent.glob("*.json"), key=os.path.getmtime)
        for old in found[:-KEPT]:
            old.unlink(missing_ok=True)


def seal(content: object) -> str:
    """Return the hash of what an index says, by which one that was damaged is known."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def promise_of(spec: type[Spec]) -> Promise:
    """Return where a component is found again."""
    from ganzoo.plugin.describe import summary

    about = printable(summary(spec), 300)
    return Promise(spec.kind, spec.use, spec.__module__, spec.__qualname__, about)


def root_of(candidate: Candidate) -> Path | None:
    """Return the folder of a plugin's package, which is not imported; None where it has none."""
    if not candidate.target.isidentifier():
        return None
    try:
        spec = importlib.util.find_spec(candidate.target)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)
