"""Cells on this machine: a few processes that stay alive, and may die without harm to the others.

``concurrent.futures`` gives up all work when one of its processes dies, and tells not how.
"""

from __future__ import annotations

import _thread
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from ganzoo.ablate.company import perform_in
from ganzoo.ablate.worker import Answer, Task
from ganzoo.common.system import STOPPING, count_nvidia_gpus

if TYPE_CHECKING:
    # Windows has a class of its own for each end of a pipe.
    from multiprocessing.connection import _ConnectionBase

    Connection = _ConnectionBase[Any, Any]

TICK_SECONDS = 0.25
ASK_SECONDS = 1.0
STOP = "stop"
"""The one order there is."""
GRACE_SECONDS = 30.0
"""How long a worker may take to save its run once it is asked to stop."""

Finished = Callable[[Task, Answer], None]
"""Told of each finished task."""
Watching = Callable[[], bool]
"""Called several times a second; true once the work shall stop."""


def died(exitcode: int | None) -> str:
    """Return how a process ended, in words."""
    if exitcode is None:
        return "it vanished"
    if exitcode < 0:
        try:
            return f"killed by {signal.Signals(-exitcode).name}"
        except ValueError:
            return f"killed by signal {-exitcode}"
    return f"it exited with code {exitcode}"


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    orders: Connection
    """Takes ``STOP``, also while the worker is busy. A signal would not do: Windows has none."""
    device: str
    task: Task | None = None


class Local:
    """An engine of persistent local processes."""

    def __init__(self, jobs: int, devices: Sequence[str] = ()) -> None:
        self.jobs = jobs
        self.devices = list(devices)
        self._workers: list[_Worker | None] = [None] * jobs

    def run(
        self,
        tasks: Sequence[Task],
        finished: Finished,
        vanished: Callable[[Task, str], None],
        is_stopped: Watching,
    ) -> None:
        """Do all tasks; a worker that dies is told to ``vanished`` and replaced.

        Once ``is_stopped`` says so, workers are asked to save what they train, and nothing more is
        begun.
        """
        waiting = list(tasks)
        stopping_since = last_asked = 0.0
        while waiting or any(worker and worker.task for worker in self._workers):
            now = time.monotonic()
            if is_stopped() and now - last_asked > ASK_SECONDS:
                # Again and again: a worker that is still building does not hear the first time.
                stopping_since, last_asked = stopping_since or now, now
                waiting.clear()
                late = now - stopping_since > GRACE_SECONDS
                self._kill() if late else self._ask_to_stop()
            for slot in range(self.jobs):
                if waiting and not self._is_busy(slot):
                    self._give(slot, waiting.pop(0))
            self._listen(finished, vanished)

    def close(self) -> None:
        """Let the workers go home."""
        for worker in self._workers:
            if worker is not None:
                worker.pipe.close()
                worker.orders.close()
        for worker in self._workers:
            if worker is not None:
                worker.process.join(5)
                if worker.process.is_alive():
                    worker.process.kill()
                    worker.process.join()
        self._workers = [None] * self.jobs

    def _is_busy(self, slot: int) -> bool:
        worker = self._workers[slot]
        return worker is not None and worker.task is not None

    def _give(self, slot: int, task: Task) -> None:
        worker = self._workers[slot]
        if worker is None or not worker.process.is_alive():
            worker = self._workers[slot] = self._start(slot)
        worker.task = task
        if worker.device:
            task = Task(task.setup, task.folder, task.frozen, worker.device)
        with suppress(OSError):  # it died just now: _listen finds it
            worker.pipe.send(task)

    def _start(self, slot: int) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        heard, orders = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(theirs, heard), name=f"cells-{slot}")
        process.start()
        theirs.close()
        heard.close()
        device = self.devices[slot % len(self.devices)] if self.devices else ""
        return _Worker(process, ours, orders, device)

    def _listen(self, finished: Finished, vanished: Callable[[Task, str], None]) -> None:
        busy = [worker for worker in self._workers if worker and worker.task]
        ready = wait([worker.pipe for worker in busy], TICK_SECONDS)
        for worker in busy:
            if worker.pipe not in ready:
                continue
            task, worker.task = worker.task, None
            assert task is not None
            try:
                answer = worker.pipe.recv()
            except (EOFError, OSError):
                worker.process.join(5)
                self._workers[self._workers.index(worker)] = None
                vanished(task, died(worker.process.exitcode))
            else:
                finished(task, answer)

    def _ask_to_stop(self) -> None:
        for worker in self._workers:
            if worker is not None and worker.task is not None:
                with suppress(OSError):  # it died just now: _listen finds it
                    worker.orders.send(STOP)

    def _kill(self) -> None:
        for worker in self._workers:
            if worker is not None and worker.task is not None:
                worker.process.kill()


def work(pipe: Connection, orders: Connection) -> None:
    """Be a worker: perform tasks until nobody sends any; stop the one at hand when told to."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_obey, args=(orders,), daemon=True).start()
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        answer = perform_in(task)
        try:
            pipe.send(answer)
        except OSError:
            return


def _obey(orders: Connection) -> None:
    """Have what trains saved when told so, and when the driver is gone, however it went.

    The driver's next self takes over. As if SIGTERM had come, which is heard while a run trains.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    while parent.sentinel not in wait([parent.sentinel, orders]):
        try:
            orders.recv()
        except (EOFError, OSError):
            wait([parent.sentinel])
            break
        _thread.interrupt_main(signal.SIGTERM)
    for _ in range(round(GRACE_SECONDS / ASK_SECONDS)):
        _thread.interrupt_main(signal.SIGTERM)
        time.sleep(ASK_SECONDS)
    os._exit(1)


def visible_gpus() -> list[str]:
    """Return a device name for each GPU that this process may use, without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        count = len([part for part in visible.split(",") if part.strip() and part.strip() != "-1"])
    else:
        count = count_nvidia_gpus()
    return [f"cuda:{number}" for number in range(count)]
