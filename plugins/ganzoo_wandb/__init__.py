"""Log a run for Weights & Biases: ``ganzoo run RECIPE --track wandb``.

Needs the extra ``ganzoo-torch[wandb]``. Its own variables hold: WANDB_MODE=offline keeps everything
in the run's folder, WANDB_PROJECT names the project ('ganzoo' otherwise).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganzoo.api import GanzooError, RunInfo, curve_name, hookimpl

GANZOO_API = 1
NAME = "wandb"

_runs: dict[Path, Any] = {}


@hookimpl
def ganzoo_trackers() -> list[str]:
    """Name this tracker."""
    return [NAME]


@hookimpl
def ganzoo_run_started(run: RunInfo) -> None:
    """Begin, or go on with the same curves after a pause."""
    if NAME not in run.trackers:
        return
    try:
        import wandb
    except ImportError as error:
        raise GanzooError("wandb is not installed: pip install 'ganzoo-torch[wandb]'") from error
    _runs[run.path] = wandb.init(
        project=os.environ.get("WANDB_PROJECT", "ganzoo"),
        name=run.name,
        id=hashlib.sha256(run.name.encode()).hexdigest()[:16],
        dir=str(run.path),
        config=dict(run.recipe),
        resume="allow",
    )


@hookimpl
def ganzoo_logged(run: RunInfo, step: int, values: Mapping[str, float]) -> None:
    """Add a point to every curve."""
    if followed := _runs.get(run.path):
        followed.log({curve_name(name): value for name, value in values.items()}, step=step)


@hookimpl
def ganzoo_sampled(run: RunInfo, step: int, path: Path) -> None:
    """Add the sheet."""
    if followed := _runs.get(run.path):
        import wandb

        followed.log({"samples": wandb.Image(str(path))}, step=step)


@hookimpl
def ganzoo_checkpointed(run: RunInfo, step: int) -> None:
    """Note which step can be resumed from."""
    if followed := _runs.get(run.path):
        followed.summary["checkpoint"] = step


@hookimpl
def ganzoo_run_finished(run: RunInfo, status: str) -> None:
    """Close it."""
    if followed := _runs.pop(run.path, None):
        followed.summary["status"] = status
        followed.finish(exit_code=1 if status == "failed" else 0)
