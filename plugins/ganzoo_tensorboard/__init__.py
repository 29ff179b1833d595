"""Log a run for TensorBoard: ``ganzoo run RECIPE --track tensorboard``.

Needs the extra ``ganzoo-torch[tensorboard]``. Curves, sheets and the recipe go into the run's
folder; look at them with ``tensorboard --logdir runs``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganzoo.api import GanzooError, RunInfo, curve_name, hookimpl

GANZOO_API = 1
NAME = "tensorboard"

_writers: dict[Path, Any] = {}


@hookimpl
def ganzoo_trackers() -> list[str]:
    """Name this tracker."""
    return [NAME]


@hookimpl
def ganzoo_run_started(run: RunInfo) -> None:
    """Begin, or go on: what was written beyond the step a run resumes from is left out."""
    if NAME not in run.trackers:
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise GanzooError(
            "TensorBoard is not installed: pip install 'ganzoo-torch[tensorboard]'"
        ) from error
    purge = run.start + 1 if run.start else None
    # Beside the other files, so that the run is called by its name and not by a folder inside it.
    writer = SummaryWriter(str(run.path), purge_step=purge)
    _writers[run.path] = writer
    recipe = (run.path / "recipe.toml").read_text(encoding="utf-8")
    writer.add_text("recipe", f"```toml\n{recipe}\n```", run.start)
    _add_picture(writer, "real images", run.path / "real.png", run.start)


@hookimpl
def ganzoo_logged(run: RunInfo, step: int, values: Mapping[str, float]) -> None:
    """Add a point to every curve."""
    if writer := _writers.get(run.path):
        for name, value in values.items():
            writer.add_scalar(curve_name(name), value, step)


@hookimpl
def ganzoo_sampled(run: RunInfo, step: int, path: Path) -> None:
    """Add the sheet."""
    if writer := _writers.get(run.path):
        _add_picture(writer, "samples", path, step)


@hookimpl
def ganzoo_run_finished(run: RunInfo) -> None:
    """Write what is still in memory."""
    if writer := _writers.pop(run.path, None):
        writer.close()


def _add_picture(writer: Any, name: str, path: Path, step: int) -> None:
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        writer.add_image(name, np.asarray(image.convert("RGB")), step, dataformats="HWC")
