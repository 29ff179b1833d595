"""A run as a notebook shows it while it trains: a bar, the losses, the newest sheet.

Two outputs of the cell are changed in place by IPython's display handles: no widgets, so that a
saved notebook, and what nbconvert makes of it, holds the last state and nothing else.
"""

from __future__ import annotations

import base64
import html
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo.common.errors import RefusedError, printable
from ganzoo.common.inside import read_inside
from ganzoo.common.text import duration
from ganzoo.runs.folder import MOST_PICTURE
from ganzoo.runs.log import scores, terms
from ganzoo.runs.verdict import verdict
from ganzoo.training.state import Silent

if TYPE_CHECKING:
    from ganzoo.training.state import Outcome, TrainingState

REDRAW_S = 0.5
"""Seconds between changes of the bar."""
SHEET_S = 2.0
"""Seconds between sheets: each travels to the browser whole."""
WIDTH = 320
"""Pixels across a sheet, at least."""
NOTES = 20
"""Remarks that stay in sight."""


def in_notebook() -> bool:
    """Return whether this is a notebook's kernel, which shows more than text."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is not None


class Notebook(Silent):
    """A ``Reporter`` for a notebook's cell; warnings are Python's."""

    def __init__(self) -> None:
        from IPython.display import display

        self._display: Any = display
        self._text: Any = None
        self._picture: Any = None
        self._notes: list[str] = []
        self._rows: dict[str, str] = {}
        self._bar = ""
        self._drawn = self._shown = 0.0
        self._waiting: tuple[Path, int] | None = None

    def note(self, text: str) -> None:
        """Add a remark below the bar."""
        self._notes = [*self._notes, text][-NOTES:]
        self._draw()

    def warn(self, text: str) -> None:
        """Give a warning."""
        warnings.warn(text, stacklevel=3)

    def started(self, training: TrainingState) -> None:
        """Show where the run is, and the bar."""
        self._rows["run"] = str(training.run.path)
        self._progress(training)
        self._draw()

    def stepped(self, training: TrainingState) -> None:
        """Move the bar, now and then."""
        now = time.monotonic()
        if now - self._drawn >= REDRAW_S:
            self._progress(training)
            self._draw()
        if self._waiting is not None and now - self._shown >= SHEET_S:
            self._show(*self._waiting)

    def logged(self, training: TrainingState, entry: dict[str, Any]) -> None:  # noqa: ARG002
        """Take over the new losses and scores."""
        for side in terms(entry).split(" · "):
            name, _, values = side.partition(" ")
            self._rows[name] = values
        if found := scores(entry):
            self._rows["measured"] = f"{found} (step {entry['step']:,})"

    def sampled(self, training: TrainingState, path: Path, step: int) -> None:  # noqa: ARG002
        """Show the newest sheet, or keep it until the last one was to be seen."""
        self._waiting = path, step
        if time.monotonic() - self._shown >= SHEET_S:
            self._show(path, step)

    def finished(self, training: TrainingState, outcome: Outcome) -> None:
        """Leave how it ended and the last sheet."""
        if self._waiting is not None:
            self._show(*self._waiting)
        self._progress(training)
        self._bar = f"{outcome.status}{f' ({outcome.reason})' * bool(outcome.reason)}: {self._bar}"
        if told := verdict(training.run, outcome.result):
            self._notes += told.lines()
        self._draw()

    def _progress(self, training: TrainingState) -> None:
        step, steps = training.step, training.parts.steps
        told = [f"step {step:,} of {steps:,}"]
        if step > training.first_step:
            told.append(training.pace)
        if training.first_step < step < steps:
            told.append(f"about {duration(training.seconds_left)} left")
        else:
            told.append(duration(training.seconds))
        self._bar = " · ".join(told)
        self._done = step / max(1, steps)

    _done = 0.0

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        content = {"text/plain": self._plain(), "text/html": self._html()}
        if self._text is None:
            self._text = self._display(content, raw=True, display_id=True)
        else:
            self._text.update(content, raw=True)

    def _plain(self) -> str:
        rows = [f"{name}: {text}" for name, text in self._rows.items() if text]
        return printable("\n".join([*filter(None, [self._bar]), *rows, *self._notes]), 8000)

    def _html(self) -> str:
        """Return the bar and what is below it, in the notebook's own colours."""
        bar = (
            f'<progress value="{self._done:.4f}" max="1" style="width: 20em"></progress> '
            f"{_safe(self._bar)}"
            if self._bar
            else ""
        )
        rows = "".join(
            f'<tr><td style="text-align: left"><b>{_safe(name)}</b></td>'
            f'<td style="text-align: left">{_safe(text)}</td></tr>'
            for name, text in self._rows.items()
            if text
        )
        notes = "".join(f"<div>{_safe(text)}</div>" for text in self._notes)
        return f"<div>{bar}{f'<table>{rows}</table>' if rows else ''}{notes}</div>"

    def _show(self, path: Path, step: int) -> None:
        self._waiting, self._shown = None, time.monotonic()
        try:
            png = read_inside(path.parent, path.name, most=MOST_PICTURE)
        except (OSError, RefusedError):
            return  # the run goes on without an onlooker
        said = f"samples, step {step:,}"
        content = {"text/plain": said, "image/png": base64.b64encode(png).decode()}
        about = {"image/png": {"width": max(WIDTH, _width(png)), "alt": said}}
        if self._picture is None:
            self._picture = self._display(content, metadata=about, raw=True, display_id=True)
        else:
            self._picture.update(content, metadata=about, raw=True)


def _width(png: bytes) -> int:
    """Return the width of a picture in pixels, from its header."""
    return int.from_bytes(png[16:20], "big")


def _safe(text: str) -> str:
    return html.escape(printable(text, 2000))
