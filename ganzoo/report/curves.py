"""The curves of a run, drawn from its log: losses and what else a person looks at first."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ganzoo.common.files import publish
from ganzoo.common.text import is_number
from ganzoo.runs.folder import RunDir
from ganzoo.runs.record import real
from ganzoo.runs.thinned import read_thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDES = {"g": ("generator", "tab:orange"), "d": ("discriminator", "tab:blue")}
PIXELS_PER_INCH = 110

Line = Mapping[str, Any]
"""A line of a run's log."""


def draw(run: RunDir) -> None:
    """Write 'curves.png' into the run's folder; nothing where the log has fewer than two lines.

    Above the losses of both sides. Below their accuracies: the share of images that the
    discriminator told right, and the share of the generator's that it took for real.
    Thin lines follow the log, or evenly chosen lines of a long one; dots are means over an epoch,
    where there are at least two epochs.

    Raises:
        MachineError: if the disk refuses.
    """
    found = map(numbers, read_thinned(run))
    lines = [line for line in found if {"step", "epoch"} <= line.keys()]
    if len(lines) < 2:
        return
    # Imported at the end of a run only, and without pyplot: no window, no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    has_accuracy = any("d/accuracy" in line for line in lines)
    figure = Figure(figsize=(8, 6 if has_accuracy else 4), dpi=PIXELS_PER_INCH, layout="tight")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1 + has_accuracy, 1, sharex=True, squeeze=False)[:, 0]
    _plot(panels[0], lines, "loss")
    panels[0].legend()
    if has_accuracy:
        _plot(panels[1], lines, "accuracy")
        panels[1].set_ylim(-0.03, 1.03)
        panels[1].axhline(0.5, color="grey", linewidth=0.8, linestyle=":")
    panels[-1].set_xlabel("step")
    figure.suptitle(run.path.parent.name, fontsize="medium")
    buffer = io.BytesIO()
    # Equal logs, equal bytes: no date, no version.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    publish(run.curves, buffer.getvalue())


def numbers(entry: Line) -> dict[str, Any]:
    """Return the finite numbers in a line of a log, which anybody may have written."""
    return {name: value for name, value in entry.items() if real(value) is not None}


def _plot(panel: Axes, lines: Sequence[Line], what: str) -> None:
    for side, (name, colour) in SIDES.items():
        key = f"{side}/{what}"
        seen = [line for line in lines if key in line]
        if not seen:
            continue
        means = epoch_means(lines, key)
        has_epochs = len(means) > 1
        panel.plot(
            [line["step"] for line in seen],
            [line[key] for line in seen],
            color=colour,
            linewidth=1.0,
            alpha=0.4 if has_epochs else 1.0,
            label=None if has_epochs else name,
        )
        if has_epochs:
            panel.plot(*zip(*means, strict=True), "o-", color=colour, markersize=3, label=name)
    panel.set_ylabel(what)
    panel.grid(alpha=0.3)


def epoch_means(lines: Sequence[Line], key: str) -> list[tuple[int, float]]:
    """Return the last step of each whole epoch and the mean of ``key`` over its steps.

    A line speaks for all steps since the line before it and belongs to the epoch it lies in, so
    the means are exact where a line ends with each epoch (train.log_each_epoch). Lines without a
    finite value are left out.
    """
    sums: dict[int, tuple[int, float, int]] = {}
    before = 0
    for line in lines:
        number, steps, value = math.ceil(line["epoch"]), line["step"] - before, line.get(key)
        before = line["step"]
        if is_number(value) and math.isfinite(value):
            count, total, _ = sums.get(number, (0, 0.0, 0))
            sums[number] = count + steps, total + steps * value, line["step"]
    done = math.floor(lines[-1]["epoch"]) if lines else 0
    return [
        (last, total / count)
        for number, (count, total, last) in sums.items()
        if count and number <= done
    ]
