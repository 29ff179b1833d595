"""What a run folder tells of itself without torch. Its content is nobody's promise: read warily."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ganzoo.rundir import RunDir, list_runs, state

LAST_BYTES = 1 << 16


def summaries(out: Path) -> list[dict[str, Any]]:
    """Return one row for each run under ``out``, the newest first."""
    return [summary(run) for run in reversed(list_runs(out))]


def summary(run: RunDir) -> dict[str, Any]:
    """Return where a run stands, and its last terms."""
    status = run.read_json("status.json")
    last = last_entry(run)
    return {
        "id": run.id,
        "recipe": run.path.parent.name,
        "status": state(run, status),
        "step": status.get("step", 0),
        "steps": total_steps(run),
        "reason": status.get("reason", ""),
        "time": status.get("time", ""),
        "last": {name: value for name, value in last.items() if "/" in name},
        "folder": str(run.path),
    }


def total_steps(run: RunDir) -> int | None:
    """Return how many steps the run is long, once it has begun."""
    steps = run.read_json("environment.json").get("steps")
    return steps if isinstance(steps, int) else None


def last_entry(run: RunDir) -> dict[str, Any]:
    """Return the last whole line of the log, without reading all of it."""
    try:
        with run.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LAST_BYTES))
            lines = file.read().split(b"\n")[:-1]
        entry = json.loads(lines[-1]) if lines else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}
