"""Trained models that plugins ship: which there are, and a folder in which one can be used.

``zoo:NAME`` names one wherever a run is named. It is a small run folder: the frozen recipe, the
log, the scores and the model card lie in the plugin, the weights beside them or at an address.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganzoo.common.data_root import (
    CACHE_FOLDER,
    DataRoot,
    Progress,
    Tell,
    cache_root,
    no_progress,
    nobody,
)
from ganzoo.common.errors import GanzooError, MachineError, PluginError, suggest
from ganzoo.common.fetch import FetchError, fetch
from ganzoo.common.files import publish

HOOK = "ganzoo_models"
PREFIX = "zoo:"
WEIGHTS = "generator.safetensors"
RECIPE = "recipe.toml"
FILES = (
    RECIPE, "environment.json", "origin.json", "status.json", "result.json", "log.jsonl",
    "README.md", "samples.png",
)  # fmt: skip
"""What a model's folder may have beside its weights; the recipe it must have."""
PLACE = "zoo"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class TrainedModel:
    """A trained generator that a plugin ships.

    Attributes:
        name: it is used as ``zoo:name``; small letters, digits and '_'.
        about: what it makes and how well, in a line.
        folder: in the plugin, with ``recipe.toml`` as a run froze it, and as much else of what
            ``ganzoo export --to zoo`` writes as there is.
        sha256: of the weights' file, ``generator.safetensors``.
        urls: addresses of that file, tried in order; none where it lies in the folder.
        size: bytes of it, if known.
    """

    name: str
    about: str
    folder: Path
    sha256: str
    urls: Sequence[str] = ()
    size: int | None = None


def checked(given: object) -> tuple[TrainedModel, ...]:
    """Return the models that a plugin's hook gives.

    Raises:
        PluginError: with everything that is wrong with them.
    """
    if not isinstance(given, list | tuple):
        raise PluginError(f"{HOOK}() returned {given!r:.80}, not a list of models")
    problems = [problem for model in given for problem in _problems(model)]
    names = [model.name for model in given if isinstance(model, TrainedModel)]
    problems += [
        f"model {name!r} is given twice" for name in dict.fromkeys(names) if names.count(name) > 1
    ]
    if problems:
        raise PluginError("; ".join(problems))
    return tuple(given)


def _problems(model: object) -> Iterator[str]:
    if not isinstance(model, TrainedModel):
        yield f"{HOOK}() gives {model!r:.80}, which is no TrainedModel"
        return
    if not isinstance(model.name, str) or not _NAME.fullmatch(model.name):
        yield f"model {model.name!r:.80} needs a name of small letters, digits and '_'"
        return
    who = f"model {model.name!r}"
    about = model.about
    if not isinstance(about, str) or not about.strip() or not about.isprintable():
        yield f"{who} needs a line that says what it makes"
    if not isinstance(model.sha256, str) or not _DIGEST.fullmatch(model.sha256):
        yield f"{who} needs the SHA-256 of its weights, 64 small hexadecimal digits"
    if isinstance(model.urls, str) or not all(isinstance(url, str) for url in model.urls):
        yield f"{who} needs a list of addresses as its urls"
        return
    if not isinstance(model.folder, Path) or not (model.folder / RECIPE).is_file():
        yield f"{who}: there is no {RECIPE} in its folder {str(model.folder)!r:.200}"
    elif not model.urls and not (model.folder / WEIGHTS).is_file():
        yield f"{who}: there is no {WEIGHTS} in '{model.folder}', and it names no address"


def found(there: Mapping[str, tuple[TrainedModel, object]], name: str) -> TrainedModel:
    """Return the model that ``zoo:name`` names, of those that ``Registry.models`` returned.

    Raises:
        GanzooError: if there is none, with the nearest name.
    """
    if name not in there:
        near = suggest(name, there, then="list them with: ganzoo list models")
        raise GanzooError(f"no trained model named {name!r}{near}")
    return there[name][0]


def placed(
    model: TrainedModel,
    *,
    download: bool = True,
    progress: Progress = no_progress,
    tell: Tell = nobody,
) -> Path:
    """Return a folder of the user's cache that holds the model, whole and checked.

    What a command leaves beside it does not get into the plugin. Where there is no cache to write
    into, a model whose weights lie in the plugin is used there.

    Raises:
        GanzooError: if the weights are not those that the plugin's digest is of.
        FetchError: if they cannot be downloaded.
        MachineError: if there is no room for them.
    """
    shipped = model.folder / WEIGHTS
    if not model.urls and _digest(shipped) != model.sha256:
        raise GanzooError(
            f"zoo:{model.name}: '{shipped}' is not the file that its plugin describes; install "
            "the plugin again"
        )
    cache = cache_root()
    if cache is None:
        if model.urls:
            raise MachineError(
                f"zoo:{model.name}: there is no folder to download it to; {CACHE_FOLDER}"
            )
        return model.folder
    target = cache / PLACE / model.name / model.sha256[:12]
    try:
        _fill(target, model, download, progress, tell)
    except FetchError:
        raise
    except (MachineError, OSError):
        if model.urls:
            raise
        return model.folder
    return target


def _fill(
    target: Path, model: TrainedModel, download: bool, progress: Progress, tell: Tell
) -> None:
    target.mkdir(parents=True, exist_ok=True)
    weights = target / WEIGHTS
    if model.urls:
        root = DataRoot(target, download, progress, tell)
        fetch(list(model.urls), weights, root, sha256=model.sha256, size=model.size)
    elif not weights.is_file() or _digest(weights) != model.sha256:
        publish(weights, (model.folder / WEIGHTS).read_bytes())
    for name in FILES:
        if not (model.folder / name).is_file():
            continue
        content = (model.folder / name).read_bytes()
        there = target / name
        if not there.is_file() or there.read_bytes() != content:
            publish(there, content)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
