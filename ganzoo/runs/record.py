"""What a run folder tells of itself without torch. Its content is nobody's promise: read warily."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.runs.folder import RunDir, list_runs

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


@dataclass(frozen=True)
class State:
    """Where a cell stands: waiting, running, interrupted, done or failed."""

    status: str
    step: int = 0
    reason: str = ""

    @property
    def is_final(self) -> bool:
        """Whether it has trained as far as its budget goes, or cannot."""
        return self.status in {"done", "failed"}


def state_of(run: RunDir, minutes: float | None = None) -> State:
    """Return where a run stands; one that used up an experiment's minutes is done."""
    found = run.read_json("status.json")
    status, reason = str(found.get("status", "waiting")), str(found.get("reason", ""))
    step = found.get("step", 0)
    if status == "interrupted" and minutes is not None and reason.endswith(OUT_OF_TIME):
        status = "done"
    return State(status, step if isinstance(step, int) else 0, reason)


OUT_OF_TIME = "--minutes are over"


def state(run: RunDir, status: Mapping[str, Any]) -> str:
    """Return the run's status; 'killed' for one that says it runs and does not."""
    found = str(status.get("status", "not started"))
    return "killed" if found == "running" and not is_held(run) else found


def is_held(run: RunDir) -> bool:
    """Return whether a process holds the run's lock."""
    try:
        descriptor = os.open(run.path / ".lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False
