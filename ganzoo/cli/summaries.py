"""A run in words: its first screen and its last, how far it is, and how to go on with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo.common.system import quoted
from ganzoo.common.text import duration, most_memory, number
from ganzoo.runs.folder import RunDir, checkpoints
from ganzoo.runs.log import terms
from ganzoo.runs.plugin_files import plugin_files
from ganzoo.runs.record import in_words
from ganzoo.training.place import OUT

if TYPE_CHECKING:
    from ganzoo.recipe.model import Samples
    from ganzoo.runs.verdict import Verdict
    from ganzoo.training.state import Outcome, TrainingState


Rows = list[tuple[str, str]]


def first_screen(training: TrainingState) -> Rows:
    """Return what is trained on what, where it goes, and how to stop and go on."""
    parts, run, recipe = training.parts, training.run, training.parts.recipe
    state = parts.machine.state()
    facts = parts.facts()
    what = "points" if are_points(facts["data"]) else "images"
    rows = [
        ("recipe", run.path.parent.name),
        ("data", data_line(facts["data"])),
        ("networks", networks_line(facts["parameters"], recipe)),
        ("loss", " + ".join([recipe.loss.use, *(item.use for item in recipe.regularizer)])),
        (
            "machine",
            f"{parts.machine.device} ({state['device_name']}), {count(state['threads'], 'thread')},"
            f" {state['precision']}, seed {recipe.train.seed}",
        ),
        (
            "length",
            f"{count(parts.steps, 'step')}, {parts.epoch(parts.steps):.4g} epochs, "
            f"{parts.images_per_step():,} {what} per step",
        ),
        ("run", f"{run.path}"),
        ("pictures", f"{run.samples} {rhythm(recipe.samples)}"),
        ("stop", f"Ctrl-C saves first; resume any time with: {resume_command(run)}"),
    ]
    if training.step:
        rows.insert(0, ("resumed", f"at step {training.step:,} of {parts.steps:,}"))
    return rows


def last_screen(training: TrainingState, outcome: Outcome) -> Rows:
    """Return how the run ended and where its files are."""
    from ganzoo.runs.verdict import verdict

    run, result = training.run, outcome.result
    steps = training.step - training.first_step
    made = f"{count(steps, 'step')} in {duration(training.seconds)}"
    if outcome.status != "done":
        return [
            (outcome.status, f"at step {training.step:,} of {training.parts.steps:,}"),
            ("reason", in_words(outcome.reason)),
            *(row for row in files(run) if row[0] in {"pictures", "report"}),
            *judged(verdict(run, result)),
            ("saved", checkpoint_name(run)),
            ("resume", resume_command(run)),
        ]
    speed = training.pace
    memory = most_memory(result["peak_memory_mib"])
    rows = [("done", ", ".join(filter(None, [made, speed, memory])))]
    if training.parts.data_reason:
        rows.append(("data", data_line(training.parts.facts()["data"])))
    if final := terms(result["final"]):
        rows.append(("final", final))
    if epoch := terms(result.get("last_epoch", {})):
        rows.append(("last epoch", epoch))
    return rows + measured(result["metrics"]) + files(run) + judged(verdict(run, result))


def measured(metrics: Mapping[str, Mapping[str, Any]]) -> Rows:
    """Return the last measures, and the best of those that were better before.

    The floor is what real images reach against real images.
    """
    last, best = [], []
    for name, metric in metrics.items():
        floor = (metric.get("floor") or {}).get("value")
        beside = "" if floor is None else f" (floor {number(floor)})"
        last.append(f"{name} {number(metric['last']['value'])}{beside}")
        if metric["best"]["step"] != metric["last"]["step"]:
            best.append(f"{name} {number(metric['best']['value'])} at {metric['best']['step']:,}")
    rows = [("measured", ", ".join(last)), ("best", ", ".join(best))]
    return [(label, text) for label, text in rows if text]


def judged(told: Verdict | None) -> Rows:
    """Return a verdict in words, and what to try next as commands, each with its reason."""
    if told is None:
        return []
    rows = [("verdict", told.text), *(("also", text) for text in told.more)]
    rows.append(("reached", told.reached))
    for each in told.attempts:
        rows += [("try", f"{each.why} [{each.source}]"), ("", each.command)]
    return [(label, text) for label, text in rows if text]


def files(run: RunDir) -> Rows:
    """Return the files of a run that people open, as far as they are there."""
    sheets = run.sheets()
    found = [
        ("film", run.film),
        ("curves", run.curves),
        ("report", run.path / "report.html"),
        ("weights", run.generator),
    ]
    there = [(what, str(path)) for what, path in found if run.has(path.name)]
    return [*(("pictures", str(path)) for path in sheets[-1:]), *there]


def data_line(data: dict[str, Any]) -> str:
    """Return name, number and shape of the images, or of the points."""
    instead = f", for '{data['wanted']}' is not available" if data["reason"] else ""
    what = f"images {data['shape']}"
    if are_points(data):
        what = f"points of {count(int(data['shape'].partition('×')[0]), 'coordinate')}"
    return f"{data['name']}: {data['images']:,} {what}{instead}"


def are_points(data: Mapping[str, Any]) -> bool:
    """Tell whether the 'images' are points: one pixel, whose channels are coordinates."""
    return str(data["shape"]).endswith("×1×1")


def networks_line(parameters: dict[str, int], recipe: Any) -> str:
    """Return the players with their parameters."""
    return ", ".join(
        f"{name} '{getattr(recipe, role).use}' {parameters[name]:,} parameters"
        for name, role in recipe.step.players.items()
    )


def count(many: int, what: str, more: str = "") -> str:
    """Return '1 thread' or '2 threads'."""
    return f"{many:,} {what if many == 1 else more or what + 's'}"


def rhythm(samples: Samples) -> str:
    """Return when pictures are drawn."""
    times = [f"every {samples.every:,} steps"] if samples.every else []
    times += ["after each epoch"] if samples.each_epoch else []
    return " and ".join(times) or "at the end"


def checkpoint_name(run: RunDir) -> str:
    """Return the newest checkpoint's file."""
    kept = checkpoints(run.checkpoints)
    return str(kept[0]) if kept else "nothing"


def progress(row: Mapping[str, Any]) -> str:
    """Return '310/4,480'."""
    steps = row["steps"]
    return f"{row['step']}" if steps is None else f"{row['step']}/{steps}"


def resume_command(run: RunDir) -> str:
    """Return what to type to go on with ``run``."""
    options = "".join(f" --plugin {quoted(file.name)}" for file in plugin_files(run))
    return f"ganzoo resume {short_name(run)}{options}"


def short_name(run: RunDir) -> str:
    """Return the letters of a run in the usual place, else its folder, as the shell takes it."""
    usual = run.path.parent.parent.absolute() == Path(OUT).absolute()
    return run.id if usual else quoted(run.path)
