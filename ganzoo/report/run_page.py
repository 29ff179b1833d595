"""The page of one run. Reads its folder warily: another person may have written it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.common.errors import GanzooError
from ganzoo.common.files import publish
from ganzoo.common.text import as_written, duration, number
from ganzoo.report.charts import Curves, curves
from ganzoo.report.page import data_uri, render
from ganzoo.report.spacing import evenly
from ganzoo.runs.folder import RunDir, checkpoints, step_of
from ganzoo.runs.log import MEASURES, STATE
from ganzoo.runs.plugin_files import plugin_files
from ganzoo.runs.record import Record, Table, many, real, table, whole

NAME = "report.html"
MOST_SHEETS = 60
MOST_BYTES = 32 * 1024 * 1024
"""Of the sheets on one page, and of the log that is read."""

MOST_POINTS = 400
"""Of one curve."""
SIDES = {"d": "discriminator: terms of its loss", "g": "generator: terms of its loss"}
SHARES = {"d/accuracy": "told right by the discriminator", "g/accuracy": "fakes taken for real"}
MAGIC = {b"\x89PNG\r\n\x1a\n": "image/png", b"GIF89a": "image/gif", b"GIF87a": "image/gif"}

Legend = list[tuple[str, int]]


@dataclass(frozen=True)
class Sheet:
    """One sheet as it stands on the page."""

    step: int
    name: str
    uri: str


@dataclass(frozen=True)
class Measure:
    """One measure's row."""

    name: str
    last: str
    best: str
    best_step: int | None
    floor: float | None
    direction: str
    provenance: str

    @property
    def floor_text(self) -> str:
        """The floor as a figure."""
        return shown(self.floor)


def leave_page(run: RunDir, warn: Callable[[str], None]) -> None:
    """Write the page at the end of a run; a page that cannot be written fails nothing."""
    try:
        write_page(run)
    except (GanzooError, OSError, ValueError, TypeError) as error:
        warn(f"the run's page was not written: {error}")


def write_page(run: RunDir) -> Path:
    """Write ``report.html`` into the run folder and return its path.

    Raises:
        MachineError: if the disk refuses.
    """
    path = run.path / NAME
    publish(path, run_page(run))
    return path


def run_page(run: RunDir, *, live: bool = False) -> str:
    """Return the page of ``run`` as HTML that needs no other file.

    Args:
        run: whose folder is shown.
        live: whether the page asks its server for news.
    """
    record, log = Record(run), read_log(run.log)
    result, surroundings = record.result, record.environment
    sheets = all_sheets(run)
    measures = all_measures(result, log)
    return render(
        "run.html",
        live=live,
        name=run.path.parent.name or run.path.name,
        id=run.id,
        status=record.status,
        reason=record.reason,
        time=record.time,
        step=record.step or (whole(log[-1].get("step")) if log else None) or 0,
        steps=record.steps,
        pace=pace(result, log),
        sheets=sheets,
        best=best_sheet(sheets, measures),
        real=picture(run.path / "real.png"),
        charts_drawn=all_charts(log, measures),
        measures=measures,
        provenance=[(item.name, item.provenance) for item in measures if item.provenance],
        events=all_events(result, log),
        facts=all_facts(surroundings),
        plugins=[
            [
                str(item.get("name")),
                str(item.get("distribution") or "a file"),
                str(item.get("version") or ""),
                str(item.get("sha256"))[:16],
            ]
            for item in record.plugins
        ],
        parent=parent(record.origin),
        recipe=text_of(run.recipe),
        commands=commands(run, surroundings),
        files=all_files(run),
    )


def pace(result: Table, log: Sequence[Table]) -> str:
    """Return how long it took and how fast it was, in words."""
    last = log[-1] if log else {}
    # A finished run that goes on for longer has a result of before; its log is ahead of it.
    told = [
        seconds for each in (result, last) if (seconds := real(each.get("seconds"))) is not None
    ]
    seconds = max(told, default=None)
    speed = real(result.get("images_per_second")) or real(last.get("images_per_second"))
    words = ["" if seconds is None else duration(seconds)]
    words.append("" if speed is None else f"{speed:,.0f} images/s")
    return " · ".join(filter(None, words))


def picture(path: Path) -> str:
    """Return a picture as an address that holds it; empty where it is none, or lies elsewhere."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError:
        return ""
    kinds = [kind for magic, kind in MAGIC.items() if start.startswith(magic)]
    return data_uri(path, kinds[0]) if kinds and not path.is_symlink() else ""


def read_log(path: Path) -> list[Table]:
    """Return the whole lines of a log that are tables; at most its last 32 MiB."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - MOST_BYTES))
            lines = file.read().split(b"\n")[:-1]
    except OSError:
        return []
    found: list[Table] = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and whole(entry.get("step")) is not None:
            found.append(entry)
    return found


def all_sheets(run: RunDir) -> list[Sheet]:
    """Return at most 60 sheets by step, evenly chosen, the first and the last among them."""
    found = [(step_of(path), path) for path in run.sheets()]
    room = MOST_BYTES
    sheets = []
    for step, path in reversed(evenly(found, MOST_SHEETS)):
        uri = picture(path)
        room -= len(uri)
        if uri and room > 0:
            sheets.append(Sheet(step, path.name, uri))
    return sheets[::-1]


def best_sheet(sheets: Sequence[Sheet], measures: Sequence[Measure]) -> tuple[Sheet, str] | None:
    """Return the sheet nearest to the step at which the first measure was best, and its name."""
    known = [item for item in measures if item.best_step is not None]
    if not known or not sheets:
        return None
    wanted = known[0].best_step or 0
    return min(sheets, key=lambda sheet: abs(sheet.step - wanted)), known[0].name


def all_measures(result: Table, log: Sequence[Table]) -> list[Measure]:
    """Return the measures of a finished run, or the last ones in the log of another."""
    found = []
    for name, entry in table(result.get("metrics")).items():
        entry = table(entry)
        last, best = table(entry.get("last")), table(entry.get("best"))
        found.append(
            Measure(
                str(name),
                shown(last.get("value")),
                shown(best.get("value")),
                whole(best.get("step")),
                real(table(entry.get("floor")).get("value")),
                "lower" if entry.get("lower_is_better") is True else "higher",
                ", ".join(
                    f"{key} {str(value)[:16] if 'sha256' in key or key == 'data' else value}"
                    for key, value in table(entry.get("provenance")).items()
                ),
            )
        )
    if found:
        return found
    last_of = {
        name: value for entry in log for name, value in entry.items() if name.startswith(MEASURES)
    }
    return [
        Measure(name.removeprefix(MEASURES), shown(value), "", None, None, "", "")
        for name, value in last_of.items()
    ]


def all_charts(log: Sequence[Table], measures: Sequence[Measure]) -> list[tuple[Curves, Legend]]:
    """Return the curves, each with its legend.

    Terms of each side, accuracy, what components remember, measures, speed.
    """
    names = list(dict.fromkeys(name for entry in log for name in entry))
    drawn: list[Curves | None] = []
    for letter, title in SIDES.items():
        own = [n for n in names if n.startswith(f"{letter}/") and not n.endswith("/accuracy")]
        if len(own) == 2:  # one term, and the sum that equals it
            own = [name for name in own if not name.endswith("/loss")]
        drawn.append(curves(title, {name[2:]: [curve(log, name)] for name in own}))
    shares = {label: [curve(log, name)] for name, label in SHARES.items() if name in names}
    drawn.append(curves("shares of images", shares))
    drawn += [
        curves(name.removeprefix(STATE), {name.removeprefix(STATE): [curve(log, name)]})
        for name in names
        if name.startswith(STATE)
    ]
    floors = {item.name: item.floor for item in measures}
    for name in names:
        short, points = name.removeprefix(MEASURES), curve(log, name)
        if name.startswith(MEASURES) and len(points) > 1:
            floor = floors.get(short)
            note = "" if floor is None else f"real against real: {number(floor)}"
            drawn.append(curves(short, {short: [points]}, note=note))
    speed = curve(log, "images_per_second")
    drawn.append(curves("speed: real images per second", {"speed": [speed]}))
    return [
        (chart, [(line.name, line.color) for line in chart.lines] if len(chart.lines) > 1 else [])
        for chart in drawn
        if chart is not None
    ]


def curve(log: Sequence[Table], name: str) -> dict[float, float]:
    """Return the finite values of ``name`` by step: at most 400, evenly chosen."""
    found = [
        (float(entry["step"]), value)
        for entry in log
        if name in entry and (value := real(entry[name])) is not None
    ]
    return dict(evenly(found, MOST_POINTS))


def all_events(result: Table, log: Sequence[Table]) -> list[tuple[int | None, str]]:
    """Return what the health watch told: step and text."""
    events = [table(event) for event in many(result.get("health"))]
    found = [(whole(event.get("step")), str(event.get("text", ""))) for event in events]
    for entry in log:
        bad = [name for name, value in entry.items() if value is None]
        if bad:
            found.append((whole(entry.get("step")), f"{', '.join(bad)}: not finite"))
            break
    return found


def all_facts(surroundings: Table) -> list[tuple[str, str]]:
    """Return data, sizes, machine and versions as rows."""
    data, sizes = table(surroundings.get("data")), table(surroundings.get("parameters"))
    rows = [
        ("data", f"{data.get('name', '?')}: {number(data.get('images', '?'))} images "
                 f"{data.get('shape')}"),
        ("instead of", f"{data.get('wanted')}, because: {data.get('reason')}"
         if data.get("reason") else ""),
        ("read from", str(data.get("source", ""))),
        ("fingerprint", str(data.get("fingerprint", ""))),
        ("done to the images", "; ".join(map(str, many(data.get("notes"))))),
        ("parameters", ", ".join(f"{role} {value:,}" for role, value in sizes.items()
                                 if isinstance(value, int))),
    ]  # fmt: skip
    names = {
        "device": "device", "device_name": "processor", "precision": "precision",
        "threads": "CPU threads", "deterministic": "deterministic kernels", "torch": "torch",
        "python": "python", "ganzoo": "ganzoo", "platform": "system",
    }  # fmt: skip
    rows += [
        (label, plain(surroundings[key])) for key, label in names.items() if key in surroundings
    ]
    return [(label, value) for label, value in rows if value]


def plain(value: Any) -> str:
    """Return a value as people write it."""
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def parent(origin: Table) -> tuple[str, list[tuple[str, str, str]]] | None:
    """Return the recipe that this one builds on, and (key, there, here) of what differs."""
    name, rows = origin.get("parent"), many(origin.get("differences"))
    if not isinstance(name, str) or not name:
        return None
    three = [[as_written(part) for part in row] for row in rows if isinstance(row, list)]
    return name, [(row[0], row[1], row[2]) for row in three if len(row) == 3]


def commands(run: RunDir, surroundings: Table) -> list[tuple[str, str]]:
    """Return what to type: to repeat the run, to sample it, and what was typed for it."""
    files = plugin_files(run)
    plugins = "".join(f" --plugin {shlex.quote(str(file))}" for file in files)
    folder = shlex.quote(str(run.path))
    rows = [
        ("repeat it", f"ganzoo run {shlex.quote(str(run.recipe))}{plugins}"),
        ("go on", f"ganzoo resume {folder}{plugins}"),
        ("make images", f"ganzoo sample {folder} -n 64{plugins}"),
    ]
    typed = [str(word) for word in many(surroundings.get("command"))]
    if typed:
        rows.append(("was begun by", shlex.join(["ganzoo", *typed[1:]])))
    return rows


def all_files(run: RunDir) -> list[tuple[str, str, int]]:
    """Return name, purpose and size of the folder's files."""
    known = {
        "recipe.toml": "the recipe with every default",
        "environment.json": "versions, machine, data",
        "log.jsonl": "one object for each logged step",
        "result.json": "final and best values",
        "generator.safetensors": "the weights to share",
        "samples.gif": "all sheets as a film",
        "real.png": "real images",
    }
    files = [(run.path / name, about) for name, about in known.items()]
    kept = checkpoints(run.checkpoints)[::-1]
    files += [(path, "checkpoint, to go on from") for path in kept]
    return [
        (str(path.relative_to(run.path)), about, path.stat().st_size)
        for path, about in files
        if path.is_file()
    ]


def shown(value: Any) -> str:
    """Return a figure for a table; nothing where there is none."""
    found = real(value)
    return "" if found is None else number(found)


def text_of(path: Path) -> str:
    """Return a small text file's content."""
    try:
        return path.read_bytes()[: 64 * 1024].decode("utf-8", "replace")
    except OSError:
        return ""
