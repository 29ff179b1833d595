"""Log a run for TensorBoard: ``ganzoo run RECIPE --track tensorboard``.

Needs the extra ``ganzoo-torch[tensorboard]``. Curves, sheets and the recipe go to the folder
'tensorboard' of the run; look at them with ``tensorboard --logdir runs``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganzoo.api import GanzooError, Run, hookimpl

GANZOO_API = 1
NAME = "tensorboard"

_writers: dict[Path, Any] = {}


@hookimpl
def ganzoo_trackers() -> list[str]:
    """Name this tracker."""
    return [NAME]


@hookimpl
def ganzoo_run_started(run: Run) -> None:
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
    writer = SummaryWriter(str(run.path / NAME), purge_step=purge)
    _writers[run.path] = writer
    writer.add_text("recipe", f"```json\n{json.dumps(dict(run.recipe), indent=2)}\n```", run.start)


@hookimpl
def ganzoo_logged(run: Run, step: int, values: Mapping[str, float]) -> None:
    """Add a point to every curve."""
    if writer := _writers.get(run.path):
        for name, value in values.items():
            writer.add_scalar(name, value, step)


@hookimpl
def ganzoo_sampled(run: Run, step: int, path: Path) -> None:
    """Add the sheet."""
    if writer := _writers.get(run.path):
        import numpy as np
        from PIL import Image

        with Image.open(path) as image:
            writer.add_image("samples", np.asarray(image.convert("RGB")), step, dataformats="HWC")


@hookimpl
def ganzoo_run_finished(run: Run) -> None:
    """Write what is still in memory."""
    if writer := _writers.pop(run.path, None):
        writer.close()
