"""Ctrl-C, SIGTERM and their like as a flag that the training loop reads between steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ganzoo.common.system import HANGUP, STOPPING


class Stop:
    """Whether and by what the process was asked to stop."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    @property
    def exit_code(self) -> int:
        """128 + n, as shells report a process that signal n ended; 0 without one."""
        return 0 if self.signal is None else 128 + self.signal


@contextmanager
def stopping(told: Callable[[], None]) -> Iterator[Stop]:
    """Catch the signals that stop a command.

    The first sets the flag and calls ``told``; a second Ctrl-C raises.
    A hangup that the caller ignores stays ignored: that is what ``nohup`` asks for. Outside the
    main thread, where Python allows no handlers, the flag stays down.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if stop.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.signal = signal.Signals(number)
        told()

    is_detached = HANGUP is not None and signal.getsignal(HANGUP) is signal.SIG_IGN
    caught = [number for number in STOPPING if not (is_detached and number == HANGUP)]
    before = {number: signal.signal(number, handle) for number in caught}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
