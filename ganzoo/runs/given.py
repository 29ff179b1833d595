"""Weights that a run begins with: where they lie, what is in them, and what they come to."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo.common.errors import CheckpointError, GanzooError
from ganzoo.recipe.model import Init, Recipe
from ganzoo.runs.checkpoint import CHECKPOINTS, is_finite, newest_readable, read_checkpoint, select
from ganzoo.runs.folder import RunDir, checkpoints, find, is_run, list_runs
from ganzoo.runs.record import Record, Titles, many, whole
from ganzoo.runs.weights import Facts, _read_weights

SUFFIX = ".safetensors"
AVERAGE = "average"
MOST_ANCESTORS = 50
Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Given:
    """Weights to begin with.

    Attributes:
        path: the file they were read from.
        networks: tensors by their names, for each network that is there.
        averaged: the networks whose tensors are a running average.
        step: after how many steps they were taken; None where nobody says.
        sha256: of their content, whatever file holds it.
        ancestors: the runs that led to them, the first one first.
    """

    path: Path
    networks: Mapping[str, Weights]
    averaged: Sequence[str]
    step: int | None
    sha256: str
    ancestors: Sequence[Mapping[str, Any]] = ()


def given(init: Init, runs: Path, warn: Callable[[str], None], maker: str = "generator") -> Given:
    """Read the weights that ``init`` names.

    Args:
        init: a recipe's table, with weights to begin with.
        runs: folder of the run folders.
        warn: is told of damaged checkpoints that were passed over.
        maker: the step's generator, of those that make images the first.

    Raises:
        GanzooError: if there are none of that name.
        CheckpointError: if they cannot be read, hold numbers that are not finite, or are others
            than ``init.sha256`` says.
    """
    assert init.source is not None
    found = located(init.source, runs)
    try:
        networks, path, step, averaged = (
            _of_run(found, init, maker, warn)
            if isinstance(found, RunDir)
            else _of_file(found, init, maker)
        )
    except GanzooError as error:
        raise type(error)(f"init.from: {error}") from error
    networks = {name: networks[name] for name in init.networks if networks.get(name)}
    averaged = [name for name in averaged if name in networks]
    if not networks:
        wanted = " or the ".join(init.networks)
        raise CheckpointError(
            f"init.from: '{path}' has no weights of the {wanted}; see init.networks"
        )
    for network, tensors in networks.items():
        for name, value in tensors.items():
            if not is_finite(value):
                raise CheckpointError(
                    f"init.from: '{path}': {network} '{name}' is not finite; start from "
                    "an earlier checkpoint or another run"
                )
    content = digest_of(networks)
    if init.sha256 not in {None, content}:
        raise CheckpointError(
            f"init.from: '{path}' holds other weights than the recipe started with: sha256 was "
            f"{str(init.sha256)[:12]}…, is {content[:12]}…; name the original weights, or "
            "remove init.sha256 to start with these"
        )
    run = found if isinstance(found, RunDir) else _around(found)
    ancestors = () if run is None else _ancestors(run, step)
    return Given(path, networks, averaged, step, content, ancestors)


def given_to(recipe: Recipe, runs: Path, warn: Callable[[str], None]) -> Given:
    """Read the weights that a recipe begins with; see ``given``."""
    assert recipe.init is not None
    return given(recipe.init, runs, warn, recipe.step.makers()[0])


def pinned(recipe: Recipe, runs: Path, warn: Callable[[str], None]) -> Recipe:
    """Return a recipe that names the content of the weights it begins with.

    Raises:
        GanzooError: as ``given``.
    """
    if recipe.init is None or recipe.init.source is None or recipe.init.sha256 is not None:
        return recipe
    return with_content(recipe, given_to(recipe, runs, warn).sha256)


def with_content(recipe: Recipe, sha256: str) -> Recipe:
    """Return a recipe whose init.sha256 is ``sha256``."""
    assert recipe.init is not None
    return recipe.model_copy(update={"init": recipe.init.model_copy(update={"sha256": sha256})})


def located(name: str, runs: Path) -> RunDir | Path:
    """Return the run or the file that a recipe's init.from names: the one place that decides it.

    Raises:
        GanzooError: if there is neither.
    """
    path = Path(name)
    if path.suffix == SUFFIX:
        if not path.is_file():
            raise GanzooError(f"init.from: there is no file '{name}'")
        return Path(os.path.realpath(path))  # a link of the user's own may well be followed
    if os.path.basename(name) == name and (of_recipe := _newest(runs / name)):
        return of_recipe
    if path.is_dir() and not is_run(path):
        raise GanzooError(
            f"init.from: '{name}' is not a run folder (no recipe.toml); name a run, an "
            "exported folder, or a .safetensors file"
        )
    try:
        return find(name, runs)
    except GanzooError as error:
        raise GanzooError(f"init.from: {error}, or name a .safetensors file") from error


def _newest(group: Path) -> RunDir | None:
    """Return the newest run of a recipe, in the folder of its runs; None where there is none."""
    return next(
        (run for run in reversed(list_runs(group.parent)) if run.path.parent == group), None
    )


def digest_of(networks: Mapping[str, Weights]) -> str:
    """Return the SHA-256 of names, types, shapes and numbers, as hexadecimal."""
    found = hashlib.sha256()
    for network in sorted(networks):
        for name, value in sorted(networks[network].items()):
            found.update(f"{network}/{name} {value.dtype} {tuple(value.shape)}\n".encode())
            found.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


Read = tuple[dict[str, Weights], Path, int | None, list[str]]


def _of_run(run: RunDir, init: Init, maker: str, warn: Callable[[str], None]) -> Read:
    """Return the networks of a run's newest checkpoint, else the generator that it shares."""
    if checkpoints(run.checkpoints):
        why_not = f"'{run.path}' has no checkpoint that can be read"
        path, tensors, state = newest_readable(run.checkpoints, why_not, warn)
        networks, averaged = _by_network(tensors, init, maker)
        return networks, path, state.step, averaged
    if run.has(run.generator.name):
        return _of_file(run.generator, init, maker)
    raise CheckpointError(f"'{run.path}' has no weights yet; let it train")


def _of_file(path: Path, init: Init, maker: str) -> Read:
    """Return the networks of a checkpoint, a shared generator, or any safetensors file."""
    tensors, metadata = _read_weights(path)
    if "state" in metadata:
        tensors, state = read_checkpoint(path)
        networks, averaged = _by_network(tensors, init, maker)
        return networks, path, state.step, averaged
    if metadata.get("ganzoo") == "generator":
        return {maker: tensors}, path, _step(metadata), []
    if any(name.startswith(tuple(f"{each}/" for each in init.networks)) for name in tensors):
        networks, averaged = _by_network(tensors, init, maker)
        return networks, path, None, averaged
    if len(init.networks) == 1:
        return {init.networks[0]: tensors}, path, None, []
    one = " or ".join(f"['{name}']" for name in init.networks)
    raise CheckpointError(
        f"'{path}' does not say which network's weights it holds; set init.networks = {one}"
    )


def _by_network(tensors: Weights, init: Init, maker: str) -> tuple[dict[str, Weights], list[str]]:
    """Return the tensors of each network, and whose are a running average."""
    networks: dict[str, Weights] = {}
    averaged: list[str] = []
    for name in init.networks:
        # The generator's average goes by no name, those of other players by theirs.
        averages = [f"{AVERAGE}.{name}", *([AVERAGE] if name == maker else [])]
        average = next(filter(None, (select(each, tensors) for each in averages)), None)
        if init.average and average is not None:
            averaged.append(name)
            networks[name] = average
        else:
            networks[name] = select(name, tensors)
    return networks, averaged


def _step(metadata: Mapping[str, str]) -> int | None:
    try:
        return Facts.model_validate_json(metadata.get("image", "")).step
    except ValueError:
        return None


def _around(path: Path) -> RunDir | None:
    """Return the run in whose folder a file lies, if it does."""
    near = path.parent.parent if path.parent.name == CHECKPOINTS else path.parent
    return RunDir(near) if is_run(near) else None


def _ancestors(run: RunDir, step: int | None) -> list[Mapping[str, Any]]:
    """Return the runs that led to a run, as it tells them, and itself."""
    told = many(Record(run).beginning.get("ancestors"))
    before = [
        {"title": str(each.get("title"))[:200], "id": str(each.get("id"))[:20],
         "step": whole(each.get("step"))}
        for each in told[-MOST_ANCESTORS:] if isinstance(each, dict)
    ]  # fmt: skip
    return [*before, {"title": Titles().title(run), "id": run.id, "step": step}]
