"""How far a download or another long piece of work is, on stderr."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ganzoo.errors import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_DRAWINGS = 0.1


class Transfers:
    """A ``Progress`` as data sets call it: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console, *, drawn: bool, quiet: bool = False) -> None:
        self._console = console
        self._drawn = drawn
        self._quiet = quiet
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._told = -SECONDS_BETWEEN_LINES

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` (0 where unknown) is done."""
        if self._drawn:
            self._draw(what, done, total)
        elif not self._quiet and time.monotonic() - self._told >= SECONDS_BETWEEN_LINES:
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

            # Without a drawing thread, as in a run: data sets may fork.
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
        is_due = time.monotonic() - self._told >= SECONDS_BETWEEN_DRAWINGS
        if is_due or done == total:
            self._told = time.monotonic()
            bar = self._tasks[what]
            self._bars.update(bar, completed=done, total=total or None, refresh=True)
