"""Where data lies belongs to the machine: it may lie elsewhere, and must be the same."""

from __future__ import annotations

from pydantic import ValidationError

from ganzoo.common.errors import DataError, GanzooError
from ganzoo.plugin.specs import DatasetSpec
from ganzoo.plugin.types import ImageData
from ganzoo.runs.folder import RunDir
from ganzoo.runs.record import Record

PATH = "path"
"""The key of a data set that says where own images lie."""


def lying_at(spec: DatasetSpec, path: str | None) -> DatasetSpec:
    """Return the data set as it is found at another path; the recipe keeps what it says.

    Raises:
        GanzooError: if it has no path.
    """
    if path is None:
        return spec
    if PATH not in type(spec).model_fields:
        raise GanzooError(
            f"data set {spec.use!r} has no path of its own, which --data-path could replace; the "
            "folder of all data sets is what --data says"
        )
    try:
        return type(spec).model_validate({**spec.model_dump(exclude={"use"}), PATH: path})
    except ValidationError as error:
        raise GanzooError(f"--data-path {path!r}: {error.errors()[0]['msg']}") from error


def refuse_other_data(run: RunDir, asked: DatasetSpec, found: DatasetSpec, data: ImageData) -> None:
    """Raise DataError where the data is not that which the run began with, wherever it lies.

    Args:
        asked: the data set as the run's recipe has it.
        found: as it was read: its fallback, or at another path.
        data: what was read.
    """
    was = Record(run).data
    if not was:
        if found.use == asked.use and found != asked:
            raise DataError(
                f"'{run.path}' does not record its data, so that nothing shows whether the data "
                f"at another path is the same; put the data where its recipe says, "
                f"{getattr(asked, PATH, '')!r}, or begin anew: ganzoo run {run.recipe} "
                "--set dataset.path=..."
            )
        return
    if was.get("fingerprint") == data.fingerprint:
        return
    raise DataError(
        f"run '{run.path}' began on {was.get('name')!r} ({was.get('images')} images, "
        f"fingerprint {str(was.get('fingerprint'))[:12]}); now there is {found.use!r} "
        f"({len(data)} images, {data.fingerprint[:12]}); give the same data with "
        f"--data or --data-path, or begin anew: ganzoo run {run.recipe}"
    )
