"""What is asked of a run, or an ablation, that trains in another process: to save and stop.

A file in its folder asks, and the process that trains looks for it: so it works from every terminal
and machine that sees the folder, on Windows as well, and no number in a folder that somebody else
may have written decides which process is ended.
"""

from __future__ import annotations

import time
from contextlib import suppress

from ganzoo.common.inside import find_inside
from ganzoo.runs.folder import STOP, RunDir

LOOK_EVERY_S = 1.0
REASON = "stopped by 'ganzoo runs stop'"


class Asked:
    """Whether somebody asks a run to stop; the folder is looked at once a second."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.is_heard = False
        self._looked_at = 0.0

    def __call__(self) -> bool:
        """Return whether it was asked by now."""
        now = time.monotonic()
        if not self.is_heard and now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self.is_heard = find_inside(self.run.path, STOP) is not None
        return self.is_heard


def ask_to_stop(run: RunDir) -> None:
    """Ask whoever trains the run to save it and stop.

    Raises:
        RefusedError: if a link leads elsewhere.
        MachineError: if the folder cannot be written to.
    """
    run.writable(STOP)
    run.write_json(STOP, {})


def forget(run: RunDir) -> None:
    """Take the question away: it was heard, or meant somebody who is gone."""
    with suppress(OSError):
        (run.path / STOP).unlink(missing_ok=True)
