"""Where data lies belongs to the machine: it may lie elsewhere, and must be the same."""

from __future__ import annotations

import tomllib

from pydantic import ValidationError

from ganzoo.common.errors import DataError, GanzooError, RefusedError
from ganzoo.plugin.specs import DatasetSpec
from ganzoo.plugin.types import ImageData
from ganzoo.runs.folder import CELL, MOST_TABLE, RunDir, is_cell
from ganzoo.runs.record import Record

PATH = "path"
"""The key of a dataset that says where own images lie."""


def lying_at(spec: DatasetSpec, path: str | None) -> DatasetSpec:
    """Return the dataset as it is found at another path; the recipe keeps what it says.

    Raises:
        GanzooError: if it has no path.
    """
    if path is None:
        return spec
    if PATH not in type(spec).model_fields:
        raise GanzooError(
            f"dataset {spec.use!r} has no path that --data-path could replace; "
            "use --data for the folder of all datasets"
        )
    try:
        return type(spec).model_validate({**spec.model_dump(exclude={"use"}), PATH: path})
    except ValidationError as error:
        raise GanzooError(f"--data-path {path!r}: {error.errors()[0]['msg']}") from error


def refuse_other_data(run: RunDir, asked: DatasetSpec, found: DatasetSpec, data: ImageData) -> None:
    """Raise DataError where the data is not that which the run began with, wherever it lies.

    Args:
        asked: the dataset as the run's recipe has it.
        found: as it was read: its fallback, or at another path.
        data: what was read.
    """
    was = Record(run).data
    if not was:
        is_moved = found.use == asked.use and found != asked
        if is_moved and data.fingerprint not in _of_other_cells(run):
            raise DataError(
                f"'{run.path}' does not record its data, so data at another path "
                f"cannot be verified; put the data where its recipe says, "
                f"{getattr(asked, PATH, '')!r}, or start again: ganzoo run {run.recipe} "
                "--set dataset.path=..."
            )
        return
    if was.get("fingerprint") == data.fingerprint:
        return
    raise DataError(
        f"run '{run.path}' started on {was.get('name')!r} ({was.get('images')} images, "
        f"fingerprint {str(was.get('fingerprint'))[:12]}); now there is {found.use!r} "
        f"({len(data)} images, {data.fingerprint[:12]}); give the same data with "
        f"--data or --data-path, or start again: ganzoo run {run.recipe}"
    )


def _of_other_cells(run: RunDir) -> set[str]:
    """Return the fingerprints of the same dataset in other cells of a run's experiment."""
    if not is_cell(run):
        return set()
    asked = _dataset(run)
    others = [RunDir(path) for path in run.path.parent.glob(f"{CELL}*")]
    return {
        str(Record(other).data.get("fingerprint"))
        for other in others
        if Record(other).data and _dataset(other) == asked
    }


def _dataset(run: RunDir) -> object:
    try:
        content = run.read(run.recipe.name, most=MOST_TABLE)
        return tomllib.loads(content.decode()).get("dataset")
    except (OSError, ValueError, RefusedError):
        return None
