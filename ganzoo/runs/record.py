"""What a run folder tells of itself without torch. Its content is nobody's promise: read warily."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ganzoo.common.errors import RefusedError
from ganzoo.common.files import parse_json
from ganzoo.common.system import is_locked
from ganzoo.runs.folder import BEGINNING, EXPERIMENT, LOCK, RunDir, is_cell, list_runs
from ganzoo.runs.log import MEASURES
from ganzoo.runs.notes import read_notes

LAST_BYTES = 1 << 16
UNREADABLE = "unreadable"
OUT_OF_TIME = "--minutes are over"
Table = Mapping[str, Any]


@dataclass(frozen=True)
class State:
    """Where a run stands: waiting, running, killed, interrupted, done, failed or unreadable."""

    status: str
    step: int = 0
    reason: str = ""

    @property
    def is_final(self) -> bool:
        """Whether it has trained as far as its budget goes, or cannot."""
        return self.status in {"done", "failed"}


class Record:
    """What the files of a run folder say, whatever somebody may have written into them.

    Files are read when they are first asked for, and once.
    """

    def __init__(self, run: RunDir) -> None:
        self.run = run

    @cached_property
    def status_file(self) -> Table:
        """``status.json``."""
        return self.run.read_json("status.json")

    @cached_property
    def result(self) -> Table:
        """``result.json``: empty until the run is done."""
        return self.run.read_json("result.json")

    @cached_property
    def environment(self) -> Table:
        """``environment.json``: versions, machine, data, plugins."""
        return self.run.read_json("environment.json")

    @cached_property
    def origin(self) -> Table:
        """``origin.json``: where the recipe comes from."""
        return self.run.read_json("origin.json")

    @cached_property
    def beginning(self) -> Table:
        """``init.json``: the weights it began with, and what of them is not trained."""
        return self.run.read_json(BEGINNING)

    @cached_property
    def status(self) -> str:
        """Where the run stands; 'killed' for one that says it runs and does not.

        'unreadable' where there is a status that nobody should open: a link, a pipe, a huge file.
        """
        found = str(self.status_file.get("status", UNREADABLE if self._refusal else "not started"))
        return "killed" if found == "running" and not is_held(self.run) else found

    @property
    def step(self) -> int:
        """Steps finished."""
        return whole(self.status_file.get("step")) or 0

    @property
    def newest_step(self) -> int:
        """Steps finished; while it trains, those that the log tells of."""
        logged = whole(self.last_entry.get("step")) if self.status == "running" else None
        return max(self.step, logged or 0)

    @property
    def steps(self) -> int | None:
        """Length of the run in steps, once it has begun."""
        return whole(self.environment.get("steps"))

    @property
    def reason(self) -> str:
        """Why it stopped, or its status is not read."""
        return str(self.status_file.get("reason", self._refusal))

    @cached_property
    def _refusal(self) -> str:
        return "" if self.status_file else self.run.refusal("status.json")

    @property
    def time(self) -> str:
        """When its status was written."""
        return str(self.status_file.get("time", ""))

    @property
    def data(self) -> Table:
        """The data set it was trained on: name, shape, classes, fingerprint."""
        return table(self.environment.get("data"))

    @property
    def classes(self) -> list[str]:
        """The names of the data's classes."""
        return [str(name) for name in many(self.data.get("classes"))]

    @property
    def plugins(self) -> list[Table]:
        """The plugins that were installed, as they were recorded."""
        return [item for item in many(self.environment.get("plugins")) if isinstance(item, dict)]

    @property
    def final(self) -> dict[str, Any]:
        """The last terms of the losses."""
        return dict(table(self.result.get("final")))

    @property
    def metrics(self) -> dict[str, Table]:
        """The scores, by name."""
        return {str(name): table(one) for name, one in table(self.result.get("metrics")).items()}

    @property
    def health(self) -> list[Table]:
        """What the health watch saw."""
        return [event for event in many(self.result.get("health")) if isinstance(event, dict)]

    @cached_property
    def last_entry(self) -> dict[str, Any]:
        """The last whole line of the log, found without reading all of it."""
        return self._entry(self._last_lines[-1]) if self._last_lines else {}

    @cached_property
    def recent_scores(self) -> dict[str, float]:
        """The scores in the last lines of the log, by name."""
        mark = f'"{MEASURES}'.encode()
        for line in reversed(self._last_lines):
            if mark in line:
                return {
                    name.removeprefix(MEASURES): number
                    for name, value in self._entry(line).items()
                    if name.startswith(MEASURES) and (number := real(value)) is not None
                }
        return {}

    @cached_property
    def _last_lines(self) -> list[bytes]:
        try:
            end = self.run.read(self.run.log.name, most=LAST_BYTES, only_end=True)
        except (OSError, RefusedError):
            return []
        return end.split(b"\n")[:-1]

    @staticmethod
    def _entry(line: bytes) -> dict[str, Any]:
        try:
            entry = parse_json(line)
        except ValueError:
            return {}
        return entry if isinstance(entry, dict) else {}

    def state(self, minutes: float | None = None) -> State:
        """Return where it stands; one that used up an experiment's minutes is done."""
        is_written = "status" in self.status_file or self._refusal
        status = self.status if is_written else "waiting"
        if status == "interrupted" and minutes is not None and self.reason.endswith(OUT_OF_TIME):
            status = "done"
        return State(status, self.step, self.reason)


class Titles:
    """What runs are called in lists: their recipe's name, or an ablation's with variant and seed.

    An ablation's plan is read once for all of its cells.
    """

    def __init__(self) -> None:
        self._cells: dict[Path, dict[str, Table]] = {}

    def cell(self, run: RunDir) -> Table:
        """Return 'variant' and 'seed' of a cell; an empty table for any other run."""
        above = run.path.parent
        if above not in self._cells:
            cells = many(RunDir(above).read_json(EXPERIMENT).get("cells"))
            self._cells[above] = {str(table(each).get("id")): table(each) for each in cells}
        return self._cells[above].get(run.id, {})

    def title(self, run: RunDir) -> str:
        """Return 'dcgan_mnist', or 'mode_collapse: pack, seed 3'."""
        cell, name = self.cell(run), run.path.parent.name
        return f"{name}: {cell.get('variant')}, seed {cell.get('seed')}" if cell else name


def summaries(out: Path) -> list[dict[str, Any]]:
    """Return one row for each run under ``out``, the newest first."""
    titles = Titles()
    return [summary(run, titles) for run in reversed(list_runs(out))]


def summary(run: RunDir, titles: Titles | None = None) -> dict[str, Any]:
    """Return where a run stands, its last terms and scores, and what people wrote beside it."""
    titles = titles or Titles()
    record, cell, notes = Record(run), titles.cell(run), read_notes(run)
    return {
        "id": run.id,
        "recipe": run.path.parent.name,
        "variant": cell.get("variant"),
        "seed": cell.get("seed"),
        "title": titles.title(run),
        "status": record.status,
        "step": record.newest_step,
        "steps": record.steps,
        "reason": record.reason,
        "time": record.time,
        "last": {name: value for name, value in record.last_entry.items() if "/" in name},
        "scores": scores(record),
        "ablation": run.path.parent.name if is_cell(run) else None,
        "tags": list(notes.tags),
        "note": notes.note,
        "folder": str(run.path),
    }


def scores(record: Record) -> dict[str, dict[str, Any]]:
    """Return last and best of every score; of a run that is not done, those of its log's end.

    'lower_is_better' is None, and 'best_step' too, where nobody has written it down.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, entry in record.recent_scores.items():
        found[name] = {"last": entry, "best": None, "best_step": None, "lower_is_better": None}
    for name, metric in record.metrics.items():
        last, best = table(metric.get("last")), table(metric.get("best"))
        lower = metric.get("lower_is_better")
        found[name] = {
            "last": real(last.get("value")),
            "best": real(best.get("value")),
            "best_step": whole(best.get("step")),
            "lower_is_better": lower if isinstance(lower, bool) else None,
        }
    return found


def is_held(run: RunDir) -> bool:
    """Return whether a process holds the run's lock."""
    return is_locked(run.path / LOCK)


def table(value: Any) -> Table:
    """Return ``value`` if it is a table, else an empty one."""
    return value if isinstance(value, dict) else {}


def many(value: Any) -> list[Any]:
    """Return ``value`` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def whole(value: Any) -> int | None:
    """Return ``value`` if it is a whole number that a counter can be, else None."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value < 10**15 else None


def real(value: Any) -> float | None:
    """Return ``value`` as a float if it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    found = float(value) if abs(value) < 1e300 else math.inf
    return found if math.isfinite(found) else None
