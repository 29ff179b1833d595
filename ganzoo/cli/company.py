"""Several processes on the command line: started with one word, and one voice for all of them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from ganzoo.cli import output as streams
from ganzoo.common import ranks
from ganzoo.common.errors import GanzooError, LostProcessError, MachineError
from ganzoo.common.system import STOPPING

OPTION = "--processes"
SAVING_S = 55
"""Seconds that processes get to save a run, from the signal on, before they are killed."""

KILLED = {-9, -6, -11, -7}
"""Exit codes of processes that the system, or a fault in a library, has ended."""

_voice: TextIO | None = None
"""Where a process that was silenced says what it alone has to say."""


def silence() -> None:
    """Let only the first process of several be heard, libraries included."""
    global _voice
    if ranks.rank() == 0 or _voice is not None:
        return
    _voice = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)


def tell(text: str, error: BaseException) -> None:
    """Tell of a failure; of several processes, one that is not the first only what is its own.

    The launcher ends all processes as soon as one has ended, so one that lets the first speak for
    it stays until that is done.
    """
    together = sys.modules.get("ganzoo.training.together")
    group = None if together is None else together.known()
    if ranks.rank() == 0:
        streams.tell(text)
        if group is not None and group.count > 1:
            group.is_told(text)
        return
    if isinstance(error, LostProcessError | KeyboardInterrupt):
        return  # another's doing
    if group is not None and group.count > 1:
        if group.is_told(text):
            return
    elif ranks.local_rank() > 0:
        # Before they have met, the first process of each machine speaks for it.
        _await_end()
    assert _voice is not None
    print(f"process {ranks.rank()}: {text}", file=_voice, flush=True)


def _await_end() -> None:
    """Wait until the launcher ends this process, which it does once the first one has failed.

    Returns if that does not happen, or the launcher is gone.
    """
    for number in STOPPING:
        signal.signal(number, signal.SIG_DFL)
    launcher, until = os.getppid(), time.monotonic() + ranks.longest_wait()
    while time.monotonic() < until and os.getppid() == launcher:
        time.sleep(0.1)


def wanted(text: str) -> int:
    """Return how many processes ``--processes`` asks for.

    Raises:
        GanzooError: if that is no number, or what it is in has been started by others.
    """
    if text == "auto":
        import torch

        return max(1, torch.cuda.device_count())
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 4096):
        raise GanzooError(f"{OPTION} {text}: give a number of 1 or more, or auto for one per GPU")
    if ranks.count() > 1:
        raise GanzooError(
            f"{OPTION} {text}: torchrun or another launcher has already started "
            f"{ranks.count()} processes; omit {OPTION}"
        )
    return int(text)


def without_option(words: Sequence[str]) -> list[str]:
    """Return a command line without ``--processes``."""
    found: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            return [*found, word, *rest]
        if word == OPTION:
            next(rest, None)
        elif not word.startswith(f"{OPTION}="):
            found.append(word)
    return found


def start(count: int, words: Sequence[str]) -> int:
    """Run a command line in so many processes by torch's own launcher; return its exit code.

    Raises:
        MachineError: if the launcher itself fails.
    """
    import logging
    import uuid

    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # What went wrong is told by the process it went wrong in.
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed.elastic"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(SAVING_S))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.1,
        logs_specs=DefaultLogsSpecs(),
    )
    command = ["-m", "ganzoo", *without_option(words)]
    try:
        elastic_launch(config, sys.executable)(*command)
    except SignalException as stop:
        return 128 + int(stop.sigval)
    except ChildFailedError as failed:
        codes = {rank: failure.exitcode for rank, failure in failed.failures.items()}
        return code_of(codes)
    except (RuntimeError, OSError) as error:
        raise MachineError(f"{count} processes could not be started: {error}") from error
    return 0


def code_of(codes: dict[int, int]) -> int:
    """Return the exit code of a command from those of the processes that failed, by rank."""
    killed = [rank for rank, code in sorted(codes.items()) if code in KILLED]
    if killed:
        who = f"process{'es' if len(killed) > 1 else ''} {', '.join(map(str, killed))}"
        streams.tell(f"{who} of the run was killed from outside, possibly for lack of memory")
        return MachineError.exit_code
    # The first process's is what all have in common; one that was ended by the launcher says less.
    ended = 128 + signal.SIGTERM
    found = [code for _, code in sorted(codes.items()) if code > 0]
    if found:
        return next((code for code in found if code != ended), ended)
    return 128 - min(codes.values(), default=-signal.SIGTERM)
