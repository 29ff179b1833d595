"""What a plugin may take: its time, counted fairly, and the signals that are not its to raise."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from ganzoo.common.errors import GanzooError
from ganzoo.common.system import STOPPING, is_crowded, ringing, starved_seconds

SECONDS = 10.0
"""Longest time a plugin may compute while it is loaded, and longest time it may wait."""
SECONDS_VARIABLE = "GANZOO_PLUGIN_SECONDS"
"""Environment variable that sets another limit."""
PATIENCE = 6.0
"""How many limits' time the machine may leave a plugin without a processor."""
LATE = 0.25
"""Seconds by which an alarm is late only where the process was stopped meanwhile."""
NAME = 100
"""Characters of a name at most: of a plugin, a distribution, a component, a key, a score."""

UNINTERRUPTED = ("numpy", "scipy", "torch", "torchvision")
"""Libraries that cannot be imported again once their import was cut short, and are needed later."""


class TooSlow(BaseException):
    """The limit is over. No ``Exception``, so that a plugin's own ``except`` does not eat it."""


class Starved(BaseException):
    """The machine is too busy for the plugin to be loaded, which is not the plugin's fault."""


def seconds_allowed() -> float:
    """Return the time limit of one plugin in seconds.

    Raises:
        GanzooError: if the environment's value is no such number.
    """
    text = os.environ.get(SECONDS_VARIABLE, "").strip()
    try:
        seconds = float(text) if text else SECONDS
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86_400:
        raise GanzooError(f"{SECONDS_VARIABLE} is {text!r}; give seconds between 0 and 86400")
    return seconds


class Clock:
    """What became of the main thread's time since the clock was made, in seconds.

    Time in which the whole process was stopped, by Ctrl-Z or with the machine's lid, is none of
    the three: an alarm that rings late tells of it.
    """

    def __init__(self) -> None:
        self.computing = 0.0
        """On a processor."""
        self.starving = 0.0
        """Ready for a processor that others had; 0 where the system does not tell."""
        self.waiting = 0.0
        """Neither: asleep, or waiting for a file, the network, a lock, another thread."""
        self._last = self._now()

    def ring(self, due: float) -> None:
        """Take in what passed since the last ring; ``due`` is how long that should have been."""
        now = self._now()
        passed, computing, starving = (
            after - before for after, before in zip(now, self._last, strict=True)
        )
        self._last = now
        self.computing += computing
        self.starving += starving
        if passed < due + LATE:
            self.waiting += max(0.0, min(passed, due) - computing - starving)

    def _now(self) -> tuple[float, float, float]:
        return time.monotonic(), time.thread_time(), _delay()


def _delay() -> float:
    """Return for how long the main thread was ready and did not run; 0 where nobody knows."""
    return starved_seconds() or 0.0


@contextlib.contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise ``TooSlow`` inside a block that computes or waits longer than ``seconds``.

    A loaded machine is not the block's fault: what others took of the processor does not count,
    until it is ``PATIENCE`` times the limit and ``Starved`` is raised. It works in the main thread.
    Code that does not return to Python, a loop in C for example, cannot be stopped; on Windows, nor
    can one that sleeps. An alarm that was already set, a test runner's for example, goes on
    afterwards.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    is_over = False
    clock = Clock()
    # Again and again: a ring may fall into an import that must end, or into a bare `except`, and
    # one that is late tells of a stop.
    interval = min(1.0, seconds / 4)

    def ring(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if is_over:
            return
        clock.ring(interval)
        if _is_being_imported():
            return
        # A thousandth less: the alarm's clock is not the thread's.
        if clock.computing >= 0.999 * seconds:
            raise TooSlow(f"took longer than {seconds:g} s of processor time to load")
        if clock.waiting >= 0.999 * seconds:
            if not _tells_delay() and is_crowded():
                raise Starved
            raise TooSlow(f"waited longer than {seconds:g} s while it was loaded")
        if clock.starving >= PATIENCE * seconds:
            raise Starved

    with ringing(interval, ring):
        try:
            yield
        finally:
            is_over = True


def _tells_delay() -> bool:
    return starved_seconds() is not None


def _is_being_imported() -> bool:
    return any(
        getattr(getattr(module, "__spec__", None), "_initializing", False)
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in UNINTERRUPTED
    )


@contextlib.contextmanager
def signals_noted() -> Iterator[Callable[[BaseException], bool]]:
    """Yield a function that tells whether an error in the block comes from a signal.

    A KeyboardInterrupt without one is a plugin's own doing: nobody pressed Ctrl-C, and it must not
    end the command as if somebody had. The same goes for ``sys.exit()`` in a plugin.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda error: False  # noqa: ARG005  signals arrive in the main thread alone
        return
    arrived: list[int] = []
    before = {}

    def noting(handler: Callable[[int, FrameType | None], object]) -> object:
        def note(number: int, frame: FrameType | None) -> None:
            arrived.append(number)
            handler(number, frame)

        return note

    for number in STOPPING:
        handler = signal.getsignal(number)
        if callable(handler):
            before[number] = handler
            signal.signal(number, noting(handler))  # type: ignore[arg-type]
    try:
        yield lambda error: bool(arrived) and isinstance(error, KeyboardInterrupt)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def overlong(name: str) -> str:
    """Return what is wrong with a name that is too long, or nothing."""
    if len(name) <= NAME:
        return ""
    return f"the name '{name[:20]}…' has {len(name):,} characters; {NAME} are allowed"
