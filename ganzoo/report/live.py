"""The page of a run while it trains: made anew when it is asked for and something has changed."""

from __future__ import annotations

from threading import Lock

from ganzoo.report.page import policy
from ganzoo.report.run_page import run_page
from ganzoo.report.serving import Asked, PageServer, Reply, Route
from ganzoo.runs.folder import RunDir

WATCHED = ("status.json", "log.jsonl", "result.json", "environment.json", "samples", "checkpoints")


class LivePage:
    """Makes the page when it is asked for, at most once for each state of the folder."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self._lock = Lock()
        self._state: tuple[object, ...] = ()
        self._page = ""

    def __call__(self, _: Asked) -> Reply:
        """Return the page as the folder is now."""
        with self._lock:
            state = tuple(map(self._stamp, WATCHED))
            if not self._page or state != self._state:
                self._page, self._state = run_page(self.run, live=True), state
            return Reply(self._page)

    def _stamp(self, name: str) -> tuple[int, int]:
        try:
            found = (self.run.path / name).lstat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_size


def live_server(run: RunDir, port: int = 0) -> PageServer:
    """Return a server of the run's page; the caller runs and closes it.

    Raises:
        MachineError: if the port cannot be had.
    """
    return PageServer({"/": Route(LivePage(run), policy=policy(live=True))}, port)
