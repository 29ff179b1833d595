"""Where every command ends: exceptions and signals become one message and one exit code."""

from __future__ import annotations

import errno
import os
import platform
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

from ganzoo._version import __version__
from ganzoo.cli import company
from ganzoo.cli import output as streams
from ganzoo.common.errors import GanzooError, MachineError, printable
from ganzoo.common.memory import is_out_of_memory, memory_limit
from ganzoo.common.system import CLOSED_PIPE, STOPPING, is_closed_pipe, shell_line

DONE, BUG, INPUT = 0, 1, 2
SURROUNDINGS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EMFILE,
    errno.ENFILE,
    errno.EIO,
}
"""Errors of the system that are the machine's doing and not ours."""


class Stopped(KeyboardInterrupt):
    """SIGTERM or its like arrived while nothing was there that could save a run."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def ending(body: Callable[[], int | None], is_debugging: Callable[[], bool]) -> int:
    """Call ``body`` and return the exit code; whatever it raises has been told on stderr.

    0 done; 1 a bug in ganzoo; 2 the user's input; 3 training failed; 4 the machine; 128 + n after
    signal n.
    """
    streams.open_streams()
    company.silence()
    code = _called(body, is_debugging)
    # Else Python tries again on the way out, fails again, and exits with 120.
    streams.Steady(sys.stdout).flush()
    return code


def _called(body: Callable[[], int | None], is_debugging: Callable[[], bool]) -> int:
    try:
        with listening():
            code = body()
            sys.stdout.flush()
        return code or DONE
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        _show(error)
        return INPUT
    except GanzooError as error:
        return _told(str(error), error.exit_code, is_debugging(), error)
    except (KeyboardInterrupt, click.Abort) as stop:
        by = f" by {stop}" if isinstance(stop, Stopped) else ""
        company.tell("\n".join([f"stopped{by}", *getattr(stop, "__notes__", ())]), stop)
        return stop.exit_code if isinstance(stop, Stopped) else 128 + signal.SIGINT
    except OSError as error:
        if is_closed_pipe(error):
            return CLOSED_PIPE
        if error.errno not in SURROUNDINGS or is_out_of_memory(error):
            return _crash(error, is_debugging())
        where = "" if error.filename is None else f" '{error.filename}'"
        text = f"system error{where}: {error.strerror}"
        return _told(text, MachineError.exit_code, is_debugging(), error)
    except (Exception, SystemExit) as error:  # noqa: BLE001
        return _crash(error, is_debugging())


@contextmanager
def listening() -> Iterator[None]:
    """Turn SIGTERM and its like into an exception, so that files half made are cleared away.

    A run takes the signals over while it trains. What the caller ignores stays ignored: `nohup`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise Stopped(number)

    before = {}
    for number in STOPPING:
        if number != signal.SIGINT and signal.getsignal(number) is signal.SIG_DFL:
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show(error: click.ClickException) -> None:
    text = f"Error: {error.format_message()}"
    if isinstance(error, click.UsageError) and error.ctx is not None:
        text += f"\nHelp: {error.ctx.command_path} -h"
    company.tell(text, error)


def _told(text: str, code: int, debugging: bool, error: BaseException) -> int:
    if debugging:
        streams.tell(traceback.format_exc())
    company.tell(text, error)
    return code


def _crash(error: BaseException, debugging: bool) -> int:
    what = f"{type(error).__name__}: {str(error).strip()}".splitlines()[0]
    if is_out_of_memory(error):
        text = (
            f"out of memory ({printable(what, 200)}){memory_limit()}; a smaller train.batch_size, "
            "smaller images or fewer --workers need less; or raise the limit of the process"
        )
        return _told(text, MachineError.exit_code, debugging, error)
    text = f"this is a bug in ganzoo or in a plugin: {printable(what, 300)}"
    if debugging:
        return _told(text, BUG, debugging, error)
    report = "\n".join(
        [
            f"ganzoo {__version__}, python {platform.python_version()}, {platform.platform()}",
            f"command: {shell_line(sys.argv)}",
            traceback.format_exc(),
        ]
    )
    import tempfile

    try:
        descriptor, path = tempfile.mkstemp(prefix="ganzoo-crash-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(report)
    except OSError:
        company.tell(f"{report}\n{text}", error)
    else:
        company.tell(f"{text}\ndetails are in '{path}'; please send it to the authors", error)
    return BUG
