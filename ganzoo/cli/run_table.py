"""The table of runs: one home for 'ganzoo runs' and 'ganzoo list runs'."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ganzoo.cli import output as streams
from ganzoo.cli.summaries import count, progress
from ganzoo.common.text import number
from ganzoo.runs.choosing import Wish, best_first, under_ablations
from ganzoo.runs.record import summaries

Row = dict[str, Any]


def chosen(out: Path, wish: Wish, metric: str | None = None, most: int | None = None) -> list[Row]:
    """Return the runs that are wanted, the newest first, or the best where a score is named.

    Raises:
        GanzooError: if no run has that score.
    """
    rows = [row for row in summaries(out) if wish.fits(row)]
    rows = best_first(rows, metric) if metric and rows else rows
    return rows[:most]


def show_runs(rows: Sequence[Row], metric: str | None = None, title: str = "") -> None:
    """Print runs as a table; where they are not ranked, cells below their ablation."""
    has_tags = any(row["tags"] for row in rows)
    columns = ["run", "recipe", "status", "step", "last changed"]
    columns += [f"best {metric}", "at step"] if metric else ["losses d, g"]
    columns += ["tags"] if has_tags else []
    streams.show_table(title, columns, _lines(rows, metric, has_tags=has_tags))


def _lines(rows: Sequence[Row], metric: str | None, *, has_tags: bool) -> Iterator[list[str]]:
    if metric:
        yield from (_line(row, metric, row["title"], has_tags=has_tags) for row in rows)
        return
    for name, own in under_ablations(rows):
        if name:
            done = sum(row["status"] == "done" for row in own)
            told = f"{count(len(own), 'cell')}, {done} done"
            yield [name, "ablation", told, "", "", "", *([""] if has_tags else [])]
        for row in own:
            title = f"{row['variant']}, seed {row['seed']}" if _is_known(row) else row["title"]
            line = _line(row, metric, title, has_tags=has_tags)
            yield [f"  {line[0]}" if name else line[0], *line[1:]]


def _is_known(row: Row) -> bool:
    return bool(row["ablation"]) and row["variant"] is not None


def _line(row: Row, metric: str | None, title: str, *, has_tags: bool) -> list[str]:
    time = str(row["time"])[5:16].replace("T", " ")
    line = [row["id"], title, row["status"], progress(row), time]
    if metric:
        step = row["best"]["step"]
        line += [number(row["best"]["value"]), "" if step is None else f"{step:,}"]
    else:
        line.append(losses(row["last"]))
    return [*line, " ".join(row["tags"])] if has_tags else line


def losses(last: dict[str, Any]) -> str:
    """Return the sums of both sides, '1.369, 0.714'."""
    found = [last[name] for name in ("d/loss", "g/loss") if name in last]
    return ", ".join(map(number, found))
