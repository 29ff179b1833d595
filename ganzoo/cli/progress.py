"""Progress on the terminal, of a run and of downloads: a bar, or a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ganzoo.cli.output import console, hanging, label_and_text, print_warning
from ganzoo.cli.summaries import Rows, first_screen, last_screen
from ganzoo.common.errors import printable
from ganzoo.common.text import duration, most_memory
from ganzoo.runs.log import scores, terms

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from ganzoo.training.state import Outcome, TrainingState

REDRAW_S = 0.25
"""Seconds between drawings of the bar."""
LABEL = 8
"""Least width of the labels, so that rows that come later stand below the others."""
TRANSFER_REDRAW_S = 0.1
"""Seconds between drawings of the bar of a download."""
LINE_S = 10.0
"""Seconds between lines where there is no bar."""
ESTIMATE_S = 3.0
"""Seconds of training after which the time it will take is told."""


class Display:
    """A ``Reporter`` that writes to stderr and outlives its reader."""

    def __init__(self, verbosity: int = 0) -> None:
        self.verbosity = verbosity
        self.console = console("stderr", steady=True)
        self.is_drawn = verbosity >= 0 and sys.stderr.isatty() and not self.console.is_dumb_terminal
        self.transfers = Transfers(self.console, drawn=self.is_drawn, quiet=verbosity < 0)
        self._live: Live | None = None
        self._terms = ""
        self._scores = ""
        self._sheet: Path | None = None
        self._ended: tuple[TrainingState, Outcome] | None = None
        self._updated = 0.0
        self._has_estimate = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the terminal as a plain one: before an error message, or at the end."""
        self.transfers.close()
        if self._live is not None:
            self._live.stop()
            self._live = None
            self.transfers.is_drawn = self.is_drawn

    # The reporter

    def note(self, text: str) -> None:
        """Say something worth knowing; also called while a signal is handled."""
        if self.verbosity >= 0:
            self._print(text)

    def warn(self, text: str) -> None:
        """Say something nobody should miss."""
        self.transfers.close()
        print_warning(self.console, text)

    def started(self, training: TrainingState) -> None:
        """Show the first screen and begin to draw."""
        self.transfers.close()
        if self.verbosity < 0:
            return
        self._rows(first_screen(training))
        if self.is_drawn:
            # Without a drawing thread: loader workers are forked, and forks and threads do not mix.
            self._live = Live(
                self._bar(training),
                console=self.console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
            )
            self._live.start(refresh=True)
            # A terminal has one live display: what takes long from now on is told in lines.
            self.transfers.is_drawn = False
        self._updated = time.monotonic()

    def stepped(self, training: TrainingState) -> None:
        """Draw the bar, or write a line if the last was written long ago."""
        now = time.monotonic()
        is_first = training.step == training.first_step + 1
        if is_first and self.verbosity >= 0 and (most := most_memory(training.peak_memory_mib)):
            self._rows([("first step", most)])
        if self._live is not None:
            if now - self._updated >= REDRAW_S:
                self._updated = now
                self._live.update(self._bar(training), refresh=True)
            return
        if self.verbosity < 0:
            return
        if not self._has_estimate and training.seconds >= ESTIMATE_S:
            self._has_estimate = True
            if training.seconds_left > LINE_S:
                self._print(f"about {duration(training.seconds_left)} left")
        if now - self._updated >= LINE_S:
            self._line(training)

    def logged(self, training: TrainingState, entry: dict[str, Any]) -> None:
        """Take over the new terms."""
        is_first = not self._terms
        self._terms = terms(entry)
        is_plain = self._live is None and self.verbosity == 0
        if self.verbosity > 0 or (is_plain and is_first):
            self._line(training)
        if found := scores(entry):
            self._scores = f"measured at step {entry['step']:,}: {found}"
            if self._live is None:
                self.note(self._scores)

    def sampled(self, training: TrainingState, path: Path, step: int) -> None:  # noqa: ARG002
        """Say where the first sheet is; the bar shows the newest."""
        if self.verbosity > 0 or (self._sheet is None and self._live is None):
            self.note(f"pictures: {path}")
        self._sheet = path

    def saved(self, training: TrainingState, path: Path, step: int) -> None:  # noqa: ARG002
        """Say it to those who asked for detail."""
        if self.verbosity > 0:
            self.note(f"saved: {path}")

    def finished(self, training: TrainingState, outcome: Outcome) -> None:
        """Take the bar away; ``conclude`` says how it ended."""
        self.close()
        self._ended = training, outcome

    def conclude(self) -> None:
        """Say how the run ended, once all of its files are written."""
        if self._ended is not None and self.verbosity >= 0:
            self._rows(last_screen(*self._ended))

    # What it looks like

    def _bar(self, training: TrainingState) -> RenderableType:
        parts = training.parts
        row = Table.grid(padding=(0, 1))
        row.add_row(
            Text(f"epoch {parts.epoch(training.step):.1f}/{parts.epoch(parts.steps):,.1f}"),
            ProgressBar(total=parts.steps, completed=training.step, width=24),
            Text(f"{training.step:,}/{parts.steps:,}"),
        )
        sheet = "" if self._sheet is None else f"newest pictures: {self._sheet}"
        sides = self._terms.replace(" · ", "\n")
        below = "\n".join(filter(None, [_speed(training), sides, self._scores, sheet]))
        return Group(row, Text(printable(below, 2000), style="dim"))

    def _line(self, training: TrainingState) -> None:
        self._updated = time.monotonic()
        parts = training.parts
        where = f"step {training.step:,}/{parts.steps:,}, epoch {parts.epoch(training.step):.2f}"
        self._print(" · ".join(text for text in (where, _speed(training), self._terms) if text))

    def _rows(self, rows: Rows) -> None:
        width = max(LABEL, *(len(label) for label, _ in rows))
        for label, text in rows:
            start, text = f"{label:<{width}}  ", printable(text, 2000)
            if self.console.is_terminal:
                text = hanging(start, text, self.console.width).removeprefix(start)
            line = Text(start, style="bold")
            line.append(text, style="not bold")
            self.console.print(line, soft_wrap=True)

    def _print(self, text: str) -> None:
        text = printable(text, 2000)
        if self.console.is_terminal:
            text = hanging(*label_and_text(text), self.console.width)
        self.console.print(Text(text), soft_wrap=True)


def _speed(training: TrainingState) -> str:
    if training.step == training.first_step:
        return ""
    told = [
        training.pace,
        f"{duration(training.seconds_left)} left",
        most_memory(training.peak_memory_mib),
    ]
    return " · ".join(filter(None, told))


class Transfers:
    """A ``Progress`` as datasets call it: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console, *, drawn: bool, quiet: bool = False) -> None:
        self._console = console
        self.is_drawn = drawn
        self._quiet = quiet
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._told = -LINE_S

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` (0 where unknown) is done."""
        if self.is_drawn:
            self._draw(what, done, total)
        elif not self._quiet and time.monotonic() - self._told >= LINE_S:
            self._told = time.monotonic()
            of = f"{done / total:.0%}" if total else f"{done:,}"
            self._console.print(f"{printable(what)}: {of}", soft_wrap=True)

    def close(self) -> None:
        """Take the bars away."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
            self._tasks.clear()

    def _draw(self, what: str, done: int, total: int) -> None:
        if self._bars is None:
            from rich.progress import (
                BarColumn,
                Progress,
                TaskProgressColumn,
                TextColumn,
                TimeRemainingColumn,
            )

            # Without a drawing thread, as in a run: datasets may fork.
            self._bars = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TaskProgressColumn(),
                TimeRemainingColumn(),
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
            )
            self._bars.start()
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(printable(what))
        is_due = time.monotonic() - self._told >= TRANSFER_REDRAW_S
        if is_due or done == total:
            self._told = time.monotonic()
            bar = self._tasks[what]
            self._bars.update(bar, completed=done, total=total or None, refresh=True)
