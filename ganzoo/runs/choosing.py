"""Some of many runs: by recipe, status, tag and age, or the best by a score."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ganzoo.common.errors import GanzooError, suggest
from ganzoo.runs.folder import MOST_LOG, RunDir
from ganzoo.runs.log import MEASURES
from ganzoo.runs.record import real, whole
from ganzoo.runs.thinned import read_thinned

STATUSES = (
    "done", "running", "interrupted", "failed", "killed", "not started", "unreadable",
)  # fmt: skip
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
Row = dict[str, Any]
"""A run as ``record.summary`` tells of it."""


@dataclass(frozen=True)
class Wish:
    """Which runs are wanted; what is empty leaves all in.

    Attributes:
        recipe: names of recipes or ablations, or patterns such as 'dcgan_*'.
        since: when they changed last at the earliest.
        tags: all of which they have.
    """

    recipe: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    since: datetime | None = None
    tags: tuple[str, ...] = ()

    def fits(self, row: Row) -> bool:
        """Return whether a run is wanted."""
        names = {str(row["recipe"]), str(row["title"])}
        return (
            (not self.recipe or any(fnmatchcase(n, p) for n in names for p in self.recipe))
            and (not self.status or row["status"] in self.status)
            and (self.since is None or changed(row) >= self.since)
            and set(self.tags) <= set(row["tags"])
        )


def since(text: str, now: datetime) -> datetime:
    """Return the time that '2d', '90m' or '2026-11-20' means.

    Args:
        now: with its zone.

    Raises:
        GanzooError: if it means none.
    """
    try:
        if found := re.fullmatch(r"([0-9]{1,6})([mhdw])", text.strip()):
            return now - timedelta(**{UNITS[found[2]]: int(found[1])})
        moment = datetime.fromisoformat(text.strip())
        return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
    except (ValueError, OverflowError):
        raise GanzooError(
            f"{text!r} is not a time; write how long ago, as in 90m, 12h, 2d or 3w, or a date such "
            "as 2026-11-20"
        ) from None


def changed(row: Row) -> datetime:
    """Return when a run's status was written; long ago where nobody knows."""
    longest_ago = datetime.fromisoformat("0002-01-01T00:00:00+00:00")
    try:
        found = datetime.fromisoformat(str(row["time"]))
    except ValueError:
        return longest_ago
    return found if found.tzinfo else longest_ago


def best_first(rows: Sequence[Row], metric: str) -> list[Row]:
    """Return the runs that have the score, the best first, with their best value as 'best'.

    Of a run that is not done it is the best in its log.

    Raises:
        GanzooError: if no run has it, or none tells which side is better.
    """
    known = sorted({str(name) for row in rows for name in row["scores"]})
    having = [row for row in rows if metric in row["scores"]]
    if not having:
        there = f"there are {', '.join(known)}" if known else "none has any"
        raise GanzooError(f"no run has a score {metric!r}{suggest(metric, known, then=there)}")
    told = [row["scores"][metric]["lower_is_better"] for row in having]
    sides = {side for side in told if side is not None}
    if len(sides) != 1:
        why = "say both that lower and that higher is better" if sides else "are not done, and do "
        why += "" if sides else "not say yet whether lower or higher is better"
        raise GanzooError(f"the runs with a score {metric!r} {why}")
    is_lower = sides.pop()
    found = [{**row, "best": best(row, metric, is_lower=is_lower)} for row in having]
    ranked = [row for row in found if row["best"] is not None]
    return sorted(ranked, key=lambda row: row["best"]["value"], reverse=not is_lower)


def best(row: Row, metric: str, *, is_lower: bool) -> dict[str, Any] | None:
    """Return 'value' and 'step' of a run's best score."""
    score = row["scores"][metric]
    if score["best"] is not None:
        return {"value": score["best"], "step": score["best_step"]}
    entries = read_thinned(RunDir(Path(row["folder"])), MOST_LOG)
    values = [
        (value, whole(entry.get("step")))
        for entry in entries
        if (value := real(entry.get(f"{MEASURES}{metric}"))) is not None
    ]
    if not values:
        return None
    choose = min if is_lower else max
    value, step = choose(values, key=lambda pair: pair[0])
    return {"value": value, "step": step}


def under_ablations(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    """Return the runs in their order, the cells of an ablation together where its first one is.

    Each with the ablation's name, or an empty one for a run by itself.
    """
    groups: dict[str, tuple[str, list[Row]]] = {}
    for row in rows:
        name = row["ablation"] or ""
        groups.setdefault(f"/{name}" if name else row["folder"], (name, []))[1].append(row)
    return list(groups.values())
