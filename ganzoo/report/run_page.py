"""The page of one run. Reads its folder warily: another person may have written it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.common.errors import GanzooError, RefusedError
from ganzoo.common.files import publish
from ganzoo.common.inside import find_inside
from ganzoo.common.system import quoted, shell_line
from ganzoo.common.text import as_written, duration, number
from ganzoo.recipe.toml import MAX_BYTES
from ganzoo.report.charts import Curves, curves
from ganzoo.report.classes import sheet_classes
from ganzoo.report.looks import LOOKS, all_looks, film
from ganzoo.report.page import picture, render
from ganzoo.report.spacing import evenly
from ganzoo.runs.folder import RunDir, checkpoints, step_of
from ganzoo.runs.log import BATCH, MEASURES, RAMPS, STATE, curve_name
from ganzoo.runs.plugin_files import plugin_files
from ganzoo.runs.record import Record, Table, in_words, many, real, table, whole
from ganzoo.runs.thinned import read_thinned
from ganzoo.runs.verdict import verdict

NAME = "report.html"
MOST_SHEETS = 60
MOST_BYTES = 32 * 1024 * 1024
"""Of the sheets on one page."""

MOST_LAYERS = 1000
MOST_ANCESTORS = 50
MOST_POINTS = 400
"""Of one curve."""
SIDES = {"d": "discriminator: terms of its loss", "g": "generator: terms of its loss"}
SHARES = {
    "d/accuracy": "classified correctly by the discriminator",
    "g/accuracy": "fakes classified as real",
}

ONCE = {"images_per_second": "real images per second"}
"""What a value that the log has once is called, where its own name is no words."""

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
    command = f"ganzoo report {quoted(run.path)} --watch"
    publish(path, run_page(run), f"look at it with: {command}")
    return path


def run_page(run: RunDir, *, live: bool = False) -> str:
    """Return the page of ``run`` as HTML that needs no other file.

    Args:
        run: whose folder is shown.
        live: whether the page asks its server for news.
    """
    record, log = Record(run), read_log(run)
    result, surroundings = record.result, record.environment
    sheets = all_sheets(run)
    pictures, uri_of_film = all_looks(run), film(run)
    measures = all_measures(result, log)
    return render(
        "run.html",
        live=live,
        name=run.path.parent.name or run.path.name,
        id=run.id,
        status=record.status,
        reason=in_words(record.reason),
        time=record.time,
        step=record.newest_step or (whole(log[-1].get("step")) if log else None) or 0,
        steps=record.steps,
        pace=pace(result, log),
        sheets=sheets,
        classes=sheet_classes(surroundings, next(iter(run.sheets()), None)),
        best=best_sheet(sheets, measures),
        real=picture(run, "real.png"),
        charts_drawn=all_charts(log, measures),
        alone=seen_once(log),
        ramps=all_ramps(log),
        measures=measures,
        verdict=verdict(run),
        pictures=pictures,
        film=uri_of_film,
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
        beginning=beginning(record.beginning),
        layers=layers(record.beginning),
        frozen=[str(name) for name in many(record.beginning.get("frozen"))][:MOST_LAYERS],
        recipe=recipe_text(run),
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


def read_log(run: RunDir, most: int | None = None) -> list[Table]:
    """Return the lines of a log that have a step, evenly chosen of a long one.

    Args:
        most: bytes from the end of the log that are looked at; all where it is None.
    """
    return [entry for entry in read_thinned(run, most) if whole(entry.get("step")) is not None]


def all_sheets(run: RunDir) -> list[Sheet]:
    """Return at most 60 sheets by step, evenly chosen, the first and the last among them."""
    found = [(step_of(path), path) for path in run.sheets()]
    room = MOST_BYTES
    sheets = []
    for step, path in reversed(evenly(found, MOST_SHEETS)):
        uri = picture(run, "samples", path.name)
        room -= len(uri)
        if uri and room > 0:
            sheets.append(Sheet(step, path.name, uri))
    return sheets[::-1]


def best_sheet(sheets: Sequence[Sheet], measures: Sequence[Measure]) -> tuple[Sheet, str] | None:
    """Return the sheet nearest to the step at which the first measure was best, and its name.

    None where there is one sheet alone, which the page shows anyway.
    """
    known = [item for item in measures if item.best_step is not None]
    if not known or len(sheets) < 2:
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


def seen_once(log: Sequence[Table]) -> list[tuple[str, int, str]]:
    """Return name, step and value of what the log has at one step alone; measures have a table."""
    left_out = {"step", "epoch", "seconds"}
    found: dict[str, list[tuple[int, float]]] = {}
    for entry in log:
        for name, value in entry.items():
            is_told = name in left_out or name.startswith((BATCH, MEASURES))
            if not is_told and (figure := real(value)) is not None:
                found.setdefault(name, []).append((whole(entry["step"]) or 0, figure))
    return [
        (ONCE.get(name) or curve_name(name), points[0][0], number(points[0][1]))
        for name, points in found.items()
        if len(points) == 1
    ]


def all_ramps(log: Sequence[Table]) -> list[tuple[Curves, Legend]]:
    """Return a curve for each number that moves, named by its key in the recipe."""
    names = dict.fromkeys(name for entry in log for name in entry if name.startswith(RAMPS))
    drawn = [curves(key := name.removeprefix(RAMPS), {key: [curve(log, name)]}) for name in names]
    return [(chart, []) for chart in drawn if chart is not None]


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
        ("preprocessing", "; ".join(map(str, many(data.get("notes"))))),
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


def beginning(told: Table) -> tuple[str, list[str]] | None:
    """Return in a sentence what weights a run began with, and the runs that led to them."""
    if not isinstance(told.get("from"), str):
        return None
    step, digest = whole(told.get("step")), str(told.get("sha256"))[:16]
    sentence = (
        f"{told['from']}{'' if step is None else f', step {step:,}'} (weights {digest}…): "
        f"{number(whole(told.get('taken')) or 0)} of {number(whole(told.get('tensors')) or 0)} "
        "tensors loaded"
    )
    line = [
        f"{each.get('title')} {each.get('id')}"
        + ("" if whole(each.get("step")) is None else f", step {whole(each.get('step')):,}")
        for each in map(table, many(told.get("ancestors")))
        if each
    ]
    return sentence, line[-MOST_ANCESTORS:]


def layers(told: Table) -> list[tuple[str, str, str]]:
    """Return layer, how many of its tensors were loaded, and why not all."""
    rows = [table(each) for each in many(told.get("layers"))[:MOST_LAYERS]]
    return [
        (
            f"{row.get('network')}.{row.get('layer')}",
            f"{whole(row.get('taken')) or 0} of {whole(row.get('tensors')) or 0}",
            str(row.get("why", "")),
        )
        for row in rows
    ]


def commands(run: RunDir, surroundings: Table) -> list[tuple[str, str]]:
    """Return what to type: to repeat the run, to sample it, and what was typed for it."""
    files = plugin_files(run)
    plugins = "".join(f" --plugin {quoted(file)}" for file in files)
    folder = quoted(run.path)
    rows = [
        ("reproduce", f"ganzoo run {quoted(run.recipe)}{plugins}"),
        ("resume", f"ganzoo resume {folder}{plugins}"),
        ("sample", f"ganzoo sample {folder} -n 64{plugins}"),
    ]
    typed = [str(word) for word in many(surroundings.get("command"))]
    if call := Record(run).origin.get("call"):  # a notebook's kernel was typed by nobody
        rows.append(("started with", str(call)))
    elif typed:
        rows.append(("started with", shell_line(["ganzoo", *typed[1:]])))
    return rows


def all_files(run: RunDir) -> list[tuple[str, str, int]]:
    """Return name, purpose and size of the folder's files."""
    known = {
        "recipe.toml": "the recipe with every default",
        "init.json": "initial weights, layer by layer",
        "environment.json": "versions, machine, data",
        "log.jsonl": "one object per logged step",
        "result.json": "final and best values",
        "generator.safetensors": "the weights to share",
        run.film.name: "all sheets as an animation",
        "real.png": "real images",
        "walk.png": "a latent walk",
        "classes.png": "a row of each class",
        "neighbours.png": "fakes beside their nearest training images",
        LOOKS: "what is on these three",
    }
    files: list[tuple[tuple[str, ...], str]]
    files = [((name,), about) for name, about in known.items()]
    kept = [path.name for path in checkpoints(run.checkpoints)[::-1]]
    files += [((run.checkpoints.name, name), "checkpoint to resume from") for name in kept]
    return [
        ("/".join(parts), about, found.st_size)
        for parts, about in files
        if (found := find_inside(run.path, *parts))
    ]


def shown(value: Any) -> str:
    """Return a figure for a table; nothing where there is none."""
    found = real(value)
    return "" if found is None else number(found)


def recipe_text(run: RunDir) -> str:
    """Return the run's recipe, or why it is not shown."""
    try:
        return run.read(run.recipe.name, most=MAX_BYTES).decode("utf-8", "replace")
    except RefusedError as error:
        return f"# {error}"
    except OSError as error:
        return f"# '{run.recipe}' cannot be read: {error.strerror}"
