"""The cells of an experiment on the terminal, while they are worked on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.table import Table
from rich.text import Text

from ganzoo.ablate.remaining import Remaining
from ganzoo.common.errors import printable
from ganzoo.common.text import duration, number
from ganzoo.runs.log import MEASURES
from ganzoo.runs.record import Record

if TYPE_CHECKING:
    from ganzoo.ablate.driver import Estimate
    from ganzoo.ablate.experiment import Experiment
    from ganzoo.ablate.grid import Grid
    from ganzoo.cli.progress import Display
    from ganzoo.runs.record import State

REDRAW_S = 1.0
MOST_ROWS = 24
MARKS = {"done": "✓", "failed": "✗", "running": "▸", "interrupted": "‖", "killed": "‖"}


class Board:
    """Tells of cells as they end, and draws a live table where there is a terminal."""

    def __init__(self, display: Display, grid: Grid) -> None:
        self.display = display
        self.grid = grid
        self.begun = time.monotonic()
        self._expected: dict[str, float] = {}
        self._remaining: Remaining | None = None
        self._experiment: Experiment | None = None
        self._live: Live | None = None
        self._drawn = 0.0

    def note(self, text: str) -> None:
        """Say something worth knowing."""
        self.display.note(text)

    def trying(self) -> None:
        """Say that every variant is built before anything trains."""
        self.note(f"trying {len(self.grid.variants)} variants before training …")

    def estimated(self, estimate: Estimate, jobs: int) -> None:
        """Say how long all cells will take."""
        self._expected = estimate.seconds
        seconds = estimate.total((cell.variant for cell in self.grid.cells), jobs)
        self.note(
            f"{len(self.grid.cells)} cells of {self.grid.plan.budget}: about {duration(seconds)} "
            "of training in total"
        )
        for variant, how in estimate.died.items():
            self.display.warn(f"trying variant '{variant}' ended its worker: {how}")

    @contextmanager
    def watching(
        self, experiment: Experiment, jobs: int, *, retry_failed: bool = False
    ) -> Iterator[None]:
        """Draw the cells of ``experiment`` until it is over."""
        self._experiment = experiment
        self._remaining = Remaining(experiment, self._expected, jobs, retry_failed)
        if self.display.is_drawn:
            self._live = Live(
                self._table(), console=self.display.console, auto_refresh=False, transient=True
            )
            self._live.start(refresh=True)
        try:
            yield
        finally:
            if self._live is not None:
                self._live.stop()
                self._live = None

    def tick(self) -> None:
        """Draw again, once a second."""
        now = time.monotonic()
        if self._live is not None and now - self._drawn >= REDRAW_S:
            self._drawn = now
            self._live.update(self._table(), refresh=True)

    def cell_ended(self, cell: str, state: State, error: str) -> None:
        """Write a line about it."""
        assert self._experiment is not None
        assert self._remaining is not None
        self._remaining.ended(cell)
        known = next(one for one in self._experiment.cells if one["id"] == cell)
        reason = error or state.reason
        self.note(
            f"{MARKS.get(state.status, ' ')} {self._count()} {known['variant']}, seed "
            f"{known['seed']}: {state.status} at step {state.step:,}"
            + (f": {printable(reason, 300)}" if reason and state.status != "done" else "")
            + f" ({self._time()})"
        )

    def _count(self) -> str:
        """Return '2/6': cells that need no more work, of all."""
        assert self._experiment is not None
        assert self._remaining is not None
        return f"{self._remaining.done}/{len(self._experiment.cells)}"

    def _time(self) -> str:
        """Return how long it has taken, and how long it will, once that can be told."""
        assert self._remaining is not None
        left = self._remaining.seconds()
        to_go = f", about {duration(left)} left" if left else ""
        return f"{duration(time.monotonic() - self.begun)}{to_go}"

    def _table(self) -> Table:
        assert self._experiment is not None
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("", "variant", "seed", "step", "last", "cell"):
            table.add_column(name, no_wrap=name != "last")
        states = [(cell, self._experiment.state(cell["id"])) for cell in self._experiment.cells]
        # Those in work first: with many cells the rest is only counted.
        order = {"running": 0, "failed": 1, "killed": 2, "interrupted": 2, "waiting": 3, "done": 4}
        states.sort(key=lambda pair: order.get(pair[1].status, 9))
        for cell, state in states[:MOST_ROWS]:
            entry = Record(self._experiment.run(cell["id"])).last_entry
            row = [
                MARKS.get(state.status, " "),
                cell["variant"],
                str(cell["seed"]),
                f"{max(state.step, entry.get('step') or 0):,}" if entry else "",
                _scores(entry) if state.status != "failed" else state.reason,
                cell["id"],
            ]
            table.add_row(*(Text(printable(text, 200)) for text in row))
        hidden = len(states) - MOST_ROWS
        more = f", {hidden} more not shown" if hidden > 0 else ""
        table.caption = f"{self._count()} cells, {self._time()}{more}"
        table.caption_justify = "left"
        return table


def _scores(entry: dict[str, Any]) -> str:
    chosen = [name for name in entry if name.startswith(MEASURES)] or ["d/loss", "g/loss"]
    shown = [name for name in chosen[:3] if name in entry]
    return " ".join(f"{name.removeprefix(MEASURES)} {number(entry[name])}" for name in shown)
