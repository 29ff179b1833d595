"""The last moment of a process: what a plugin left running does not keep it from ending."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
import time

from ganzoo.cli import output as streams
from ganzoo.common.errors import printable

GRACE_S = 3.0
"""How long threads that are no daemons may go on after a command is done."""


def watch(code: int) -> None:
    """See that the process ends with ``code``, though Python waits for such threads without end.

    Python waits for them on its way out; a daemon looks on, and ends the process when the time is
    over. Where there are none, nothing is started.
    """
    if _left_over():
        threading.Thread(target=_end, args=(code,), daemon=True).start()


def leave_all() -> None:
    """Have Python not search for unused objects on its way out: a tenth of a short command.

    Everything else happens as always. Where torch is there, more than a table was made, and what
    libraries do with the last of it is left to them.
    """
    if "torch" not in sys.modules:
        gc.freeze()


def _end(code: int) -> None:
    time.sleep(GRACE_S)
    if not (left := _left_over()):
        return  # Python is past its waiting, at what libraries do last
    names = ", ".join(f"'{printable(thread.name, 60)}'" for thread in left[:3])
    streams.tell(
        f"a plugin left {len(left)} thread{'s' if len(left) > 1 else ''} running ({names}); "
        "ganzoo no longer waits for it"
    )
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        streams.Steady(stream).flush()
    os._exit(code)


def _left_over() -> list[threading.Thread]:
    main = threading.main_thread()
    return [each for each in threading.enumerate() if each is not main and not each.daemon]
