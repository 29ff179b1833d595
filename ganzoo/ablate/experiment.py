"""The folder of an experiment: its plan, one run folder per cell, and where each of them stands."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ganzoo.ablate.grid import Cell, Grid
from ganzoo.common import names
from ganzoo.common.errors import GanzooError, MachineError
from ganzoo.common.files import cannot_write, publish
from ganzoo.common.inside import FOLDER, refuse_unless
from ganzoo.runs.folder import CELL, EXPERIMENT, HOLDER, LOCK, RunDir
from ganzoo.runs.record import Record, State

FORMAT = 1
DIED = "the process died: "
"""How the reason begins where a worker vanished, which says nothing about the recipe."""


@dataclass(frozen=True)
class Experiment:
    """An experiment on disk; ``plan`` is what experiment.json holds."""

    path: Path
    plan: dict[str, Any]

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The cells as recorded: id, folder, variant, seed."""
        return list(self.plan["cells"])

    def run(self, cell: str) -> RunDir:
        """Return the run folder of the cell with this id."""
        return RunDir(self.path / folder_of(cell))

    def state(self, cell: str) -> State:
        """Return where a cell stands, from its status.json alone."""
        return Record(self.run(cell)).state(self.plan["budget"].get("minutes"))

    def stale(self) -> list[str]:
        """Return the folders of cells that the plan no longer has."""
        known = {folder_of(cell["id"]) for cell in self.cells}
        folder = RunDir(self.path)
        return [
            name
            for name in folder.names()
            if name.startswith(CELL) and name not in known and folder.has(name, "recipe.toml")
        ]


def folder_of(cell: str) -> str:
    """Return the folder's name of the cell with this id."""
    return f"{CELL}{cell}"


def usable_name(name: str) -> str:
    """Return ``name`` if an experiment's folder can have it, on every system.

    Raises:
        GanzooError: if not.
    """
    if problem := names.fault(name):
        raise GanzooError(
            f"an ablation's folder cannot be called {name!r}: it {problem}; "
            "give another name with --name"
        )
    return name


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Hold the experiment's folder, new or not: a plan is written by who holds it alone.

    Raises:
        MachineError: if another driver holds it, or it cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    with RunDir(path).locked():
        yield


def create(out: Path, grid: Grid, command: Sequence[str], asked: str) -> Experiment:
    """Make or update the experiment's folder, with the frozen recipe of every cell in place.

    Raises:
        MachineError: if it cannot be written, or lies where something else does.
    """
    path = out / grid.name
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    others = (each.name for each in path.iterdir() if each.name not in {LOCK, HOLDER})
    if not (path / EXPERIMENT).exists() and any(others):
        raise MachineError(
            f"'{path}' exists and is not an ablation folder; choose another folder with --out, "
            "or another name with --name"
        )
    refuse_other_capitals(path, grid.name)
    changes = {variant.name: variant.changes for variant in grid.variants}
    for cell in grid.cells:
        run = RunDir(path / folder_of(cell.id))
        if not run.recipe.exists():
            run.samples.mkdir(parents=True, exist_ok=True)
            run.checkpoints.mkdir(exist_ok=True)
            publish(run.recipe, cell.frozen)
            parent = f"the baseline '{grid.baseline}' of {grid.name}"
            run.write_json("origin.json", {"parent": parent, "differences": changes[cell.variant]})
    plan = described(grid, command, asked)
    experiment = Experiment(path, plan)
    RunDir(path).write_json(EXPERIMENT, plan)
    return experiment


def refuse_other_capitals(path: Path, name: str) -> None:
    """Raise MachineError if the folder is that of another experiment, but for small and capitals.

    Where they do not count, as on macOS and Windows, one would take the other's cells for stale.
    """
    there = RunDir(path).read_json(EXPERIMENT).get("name")
    if isinstance(there, str) and there != name and names.are_one(there, name):
        raise MachineError(
            f"'{path}' is the folder of the ablation '{there}': this disk ignores "
            "upper and lower case; give another name with --name"
        )


def open_experiment(path: Path) -> Experiment:
    """Read an experiment's folder.

    Raises:
        GanzooError: if it is none.
    """
    folder = RunDir(path)
    plan = folder.read_json(EXPERIMENT)
    if plan.get("format") != FORMAT:
        why = folder.refusal(EXPERIMENT) or f"it has no readable {EXPERIMENT}"
        raise GanzooError(f"'{path}' is not an ablation folder: {why}")
    try:
        Written.model_validate(plan)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"]))
        raise GanzooError(
            f"'{path / EXPERIMENT}' was written by another version of ganzoo: '{at}': "
            f"{first['msg']}; run the ablation again: ganzoo ablate FILE"
        ) from None
    for cell in plan["cells"]:
        refuse_unless(path / folder_of(cell["id"]), FOLDER)
    return Experiment(path, plan)


Text = Annotated[str, Field(max_length=10_000)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Variant(_Part):
    name: Text
    levels: dict[Text, Text]
    changes: list[Annotated[list[Any], Field(min_length=3, max_length=3)]]


class _Cell(_Part):
    id: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
    """The end of a folder's name, and never a way out."""
    variant: Text
    seed: int


class Written(_Part):
    """What experiment.json must hold before anything is done with it."""

    name: Text
    question: Text
    metrics: Annotated[list[Text], Field(min_length=1)]
    seeds: list[int]
    baseline: Text
    mode: Text
    budget: dict[Text, float]
    axes: dict[Text, list[Text]]
    variants: Annotated[list[_Variant], Field(min_length=1)]
    cells: list[_Cell]
    command: list[Text]
    file: str

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        names = [variant.name for variant in self.variants]
        unknown = {self.baseline, *(cell.variant for cell in self.cells)} - {*names}
        if unknown or len({*names}) < len(names):
            raise ValueError(f"its variants are {names}, and {sorted(unknown)} are none")
        if names[0] != self.baseline:
            raise ValueError("the baseline is not the first variant")
        return self


def is_experiment(path: Path) -> bool:
    """Return whether ``path`` is an experiment's folder."""
    return os.path.lexists(path / EXPERIMENT)


def described(grid: Grid, command: Sequence[str], asked: str) -> dict[str, Any]:
    """Return what experiment.json says; ``asked`` is the file's text."""
    plan = grid.plan
    return {
        "format": FORMAT,
        "name": grid.name,
        "question": plan.question,
        "metrics": plan.metrics,
        "seeds": plan.seeds,
        "baseline": grid.baseline,
        "mode": plan.mode,
        "budget": plan.budget.model_dump(exclude_none=True),
        "axes": grid.axes,
        "variants": [
            {"name": variant.name, "levels": variant.levels, "changes": variant.changes}
            for variant in grid.variants
        ],
        "cells": [
            {"id": cell.id, "variant": cell.variant, "seed": cell.seed} for cell in grid.cells
        ],
        "command": list(command),
        "file": asked,
    }


def record_death(run: RunDir, how: str) -> None:
    """Write into a cell's status that its worker vanished."""
    found = run.read_json("status.json")
    run.write_json(
        "status.json",
        {
            **found,
            "status": "failed",
            "step": found.get("step", 0),
            "reason": f"{DIED}{how}",
            "pid": os.getpid(),
            "host": socket.gethostname(),
        },
    )


def needs_work(state: State, *, retry_failed: bool) -> bool:
    """Return whether a cell is to be run: a training that failed is a result, a death is not."""
    if state.status == "done":
        return False
    if state.status == "failed":
        return retry_failed or state.reason.startswith(DIED)
    return True


def missing(experiment: Experiment, *, retry_failed: bool = False) -> list[Cell]:
    """Return the cells that are still to be run, in order."""
    return [
        Cell(cell["id"], cell["variant"], cell["seed"], "")
        for cell in experiment.cells
        if needs_work(experiment.state(cell["id"]), retry_failed=retry_failed)
    ]
