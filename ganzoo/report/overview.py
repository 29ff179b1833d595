"""All runs of a folder at a glance, for a page that asks again and again what is new.

Whoever wrote the folders may have written anything into them: every text is cut to a length,
every number is finite, pictures are decoded and made anew, and a run that cannot be read says so.
"""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from PIL import Image

from ganzoo.common.errors import GanzooError, RefusedError, printable
from ganzoo.common.files import finite
from ganzoo.report.charts import Curves, curves
from ganzoo.report.live import LivePage
from ganzoo.report.page import fragment, policy
from ganzoo.report.run_page import curve, read_log
from ganzoo.report.serving import Asked
from ganzoo.runs.folder import (
    EXPERIMENT,
    MOST_LOG,
    MOST_PICTURE,
    NOTES,
    RunDir,
    list_runs,
    step_of,
)
from ganzoo.runs.log import MEASURES, SIDES, curve_name
from ganzoo.runs.record import Table, Titles, many, real, summary, whole

MOST_RUNS = 5000
"""On one page, the newest ones."""
MOST_SCORES = 16
"""Of a run, on the overview."""
MOST_TEXT = 200
MOST_PIXELS = 64_000_000
"""Of a sheet that a thumbnail is made of."""
SIDE = 256
"""Pixels of a thumbnail, at most."""
MOST_COMPARED = 8
"""Runs whose curves are drawn beside each other: as many as there are colours."""
MOST_CHARTS = 24
FIRST_CHARTS = 8
"""Those that are seen without being asked for: scores, and the sums of both sides."""
KEPT_THUMBNAILS, KEPT_PLANS, KEPT_PAGES, KEPT_CURVES = 1000, 1000, 8, 64
WATCHED = ("status.json", "log.jsonl", "result.json", "environment.json", NOTES, "samples")
"""What of a run's folder the overview tells of."""

V = TypeVar("V")


class Recent(OrderedDict[Any, Any]):
    """What was made last, up to a number; made once for each key, by one thread at a time."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.lock = Lock()

    def get_or_make(self, key: object, make: Callable[[], V]) -> V:
        """Return what was made for ``key``, now or before."""
        with self.lock:
            if key not in self:
                self[key] = make()
            self.move_to_end(key)
            while len(self) > self.most:
                self.popitem(last=False)
            found: V = self[key]
            return found


class Overview:
    """The runs under a folder, each known by a key that is no path.

    It may be asked from several threads.

    Args:
        out: the folder of the runs; it need not be there yet.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._lock = Lock()
        self._rows: dict[str, tuple[object, dict[str, Any], bool]] = {}
        self._runs: dict[str, RunDir] = {}
        self._thumbnails = Recent(KEPT_THUMBNAILS)
        self._plans = Recent(KEPT_PLANS)
        self._pages = Recent(KEPT_PAGES)
        self._curves = Recent(KEPT_CURVES)

    def tables(self) -> dict[str, Any]:
        """Return runs, the newest first, and ablations, as JSON can hold them.

        A run has 'key', 'id', 'title', 'recipe', 'ablation' (a key, or None), 'variant', 'seed',
        'status', 'step', 'steps', 'reason', 'time', 'tags', 'note', 'losses', 'scores' (name to
        'last', 'best' and 'lower_is_better') and 'thumbnail', which changes with the picture and is
        empty without one. An ablation has 'key', 'name', 'question' and 'cells'.
        """
        with self._lock:
            found = list_runs(self.out)[::-1]
            titles, runs, rows = Titles(), {}, []
            for run in found[:MOST_RUNS]:
                key = key_of(run)
                runs[key] = run
                rows.append(self._row(key, run, titles))
            self._rows = {key: self._rows[key] for key in runs}
            self._runs = runs
        cells: dict[str, int] = {}
        for row in rows:
            if row["ablation"]:
                cells[row["ablation"]] = cells.get(row["ablation"], 0) + 1
        above = {key_of(RunDir(run.path.parent)): run.path.parent for run in runs.values()}
        return {
            "folder": printable(str(self.out), MOST_TEXT),
            "left_out": len(found) - len(rows),
            "runs": rows,
            "ablations": [self._ablation(key, above[key], cells[key]) for key in cells],
        }

    def run(self, key: str) -> RunDir | None:
        """Return the run of that key, if ``tables`` told of it."""
        return self._runs.get(key)

    def thumbnail(self, key: str) -> bytes | None:
        """Return the newest sheet of a run as a small WebP; None where none can be shown."""
        run = self.run(key)
        if run is None or not (name := newest_sheet(run)):
            return None
        state = (key, name, stamp(run, "samples"), stamp(run, "samples", name))
        return self._thumbnails.get_or_make(state, lambda: small(run, name))

    @property
    def page_policy(self) -> str:
        """The Content-Security-Policy of the pages of runs."""
        return policy(live=True)

    def page(self, key: str) -> str | None:
        """Return the page of a run, which asks for news itself, under ``page_policy``."""
        run = self.run(key)
        if run is None:
            return None
        made = self._pages.get_or_make(key, lambda: LivePage(run))
        return str(made(Asked()).body)

    def charts(self, keys: Sequence[str]) -> str:
        """Return the curves of some runs, one chart for each name, as a piece of a page.

        It has no legend; the run at place n has the colour n.

        Args:
            keys: of at most ``MOST_COMPARED`` runs, in the order of their colours.

        Raises:
            GanzooError: if there are more.
        """
        if len(keys) > MOST_COMPARED:
            raise GanzooError(f"at most {MOST_COMPARED} runs can be drawn in one plot")
        chosen = [(key, run) for key in dict.fromkeys(keys) if (run := self.run(key)) is not None]
        logs = [
            self._curves.get_or_make((key, stamp(run, "log.jsonl")), partial(_log, run))
            for key, run in chosen
        ]
        names = [run.id for _, run in chosen]
        labels = [
            printable(name, 40) if names.count(name) == 1 else f"{printable(name, 40)} ({number})"
            for number, name in enumerate(names, 1)
        ]
        return fragment("beside.html", drawn=_charts(labels, logs), first=FIRST_CHARTS)

    def _ablation(self, key: str, path: Path, cells: int) -> dict[str, Any]:
        state = (key, stamp(RunDir(path), EXPERIMENT))
        plan = self._plans.get_or_make(state, lambda: _plan(path))
        return {
            "key": key,
            "name": _short(path.name),
            "question": plan["question"],
            "cells": max(plan["cells"], cells),
        }

    def _row(self, key: str, run: RunDir, titles: Titles) -> dict[str, Any]:
        state = tuple(stamp(run, name) for name in WATCHED)
        state += (stamp(RunDir(run.path.parent), EXPERIMENT),)
        before = self._rows.get(key)
        if before is not None and before[0] == state and not before[2]:
            return before[1]
        row = _told(key, run, titles)
        # Whether it still runs, or was killed, no file of it says.
        self._rows[key] = state, row, row["status"] == "running"
        return row


def key_of(run: RunDir) -> str:
    """Return the key of a folder: the same for the same two names."""
    names = f"{run.path.parent.name}/{run.path.name}"
    return hashlib.sha256(names.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def stamp(run: RunDir, *parts: str) -> tuple[int, int]:
    """Return what changes with a file or folder of a run; it is not opened."""
    try:
        found = os.lstat(os.path.join(run.path, *parts))  # thousands of times: Path takes longer
    except (OSError, ValueError):
        return 0, 0
    return found.st_mtime_ns, found.st_size


def newest_sheet(run: RunDir) -> str:
    """Return the name of the sheet with the highest step, or nothing."""
    names = [name for name in run.names("samples") if name.endswith(".png")]
    return max(names, key=lambda name: (step_of(Path(name)), name), default="")


def small(run: RunDir, name: str) -> bytes | None:
    """Return a sheet as a WebP of at most ``SIDE`` pixels; None where it is no picture."""
    try:
        content = run.read("samples", name, most=MOST_PICTURE)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
                width, height = image.size
                if width * height > MOST_PIXELS:
                    return None
                # A tall sheet, or a wide one, is shown by its first square.
                square = min(width, height)
                shown = image.convert("RGB").crop((0, 0, square, square))
        if square > SIDE:
            shown = shown.resize((SIDE, SIDE), Image.Resampling.BOX)
        target = io.BytesIO()
        shown.save(target, "WEBP", quality=80, method=2)
    except (
        OSError,
        RefusedError,
        ValueError,
        SyntaxError,
        MemoryError,
        Image.DecompressionBombError,
    ):
        return None
    return target.getvalue()


def _told(key: str, run: RunDir, titles: Titles) -> dict[str, Any]:
    row = summary(run, titles)
    scores = {
        _short(name): {part: score[part] for part in ("last", "best", "lower_is_better")}
        for name, score in list(row["scores"].items())[:MOST_SCORES]
    }
    losses = {side: real(row["last"].get(f"{letter}/loss")) for letter, side in SIDES.items()}
    sheet = newest_sheet(run)
    told: dict[str, Any] = finite(
        {
            **{name: _short(row[name]) for name in ("id", "title", "recipe", "status", "reason")},
            "key": key,
            "ablation": key_of(RunDir(run.path.parent)) if row["ablation"] else None,
            "variant": None if row["variant"] is None else _short(row["variant"]),
            "seed": whole(row["seed"]),
            "step": row["step"],
            "steps": row["steps"],
            "time": _short(row["time"])[:40],
            "tags": row["tags"],
            "note": _short(row["note"]),
            "losses": losses,
            "scores": scores,
            "thumbnail": _digest(sheet, stamp(run, "samples", sheet)) if sheet else "",
        }
    )
    return told


def _plan(path: Path) -> dict[str, Any]:
    plan = RunDir(path).read_json(EXPERIMENT)
    return {"question": _short(plan.get("question") or ""), "cells": len(many(plan.get("cells")))}


def _log(run: RunDir) -> dict[str, dict[float, float]]:
    """Return the curves of a run by their names in the log."""
    log = read_log(run, MOST_LOG)
    names = dict.fromkeys(name for entry in log for name in entry)
    wanted = [name for name in names if name.startswith((MEASURES, *(f"{s}/" for s in SIDES)))]
    return {name: curve(log, name) for name in wanted[: 4 * MOST_CHARTS]}


def _charts(labels: Sequence[str], logs: Sequence[Table]) -> list[Curves]:
    names = sorted(dict.fromkeys(name for log in logs for name in log), key=_rank)[:MOST_CHARTS]
    drawn = [
        curves(
            _short(curve_name(name)),
            {label: [log.get(name, {})] for label, log in zip(labels, logs, strict=True)},
        )
        for name in names
    ]
    return [chart for chart in drawn if chart is not None]


def _rank(name: str) -> tuple[int, str]:
    """Return where a curve stands: scores, sums, accuracies, then the terms."""
    firsts = (name.startswith(MEASURES), name.endswith("/loss"), name.endswith("/accuracy"))
    return next((place for place, is_it in enumerate(firsts) if is_it), len(firsts)), name


def _short(value: object) -> str:
    return printable(str(value), MOST_TEXT)


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
