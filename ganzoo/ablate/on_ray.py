"""Cells as Ray tasks, on one machine or a cluster; the experiment's folder must be shared storage.

A task is given a folder and runs or resumes it; no score travels through Ray. So a killed driver,
or a node that dies, loses at most the steps since the last checkpoint: Ray gives the task to
another node, and the same command begins where the folders stand.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from ganzoo.ablate.company import perform_in
from ganzoo.ablate.local import TICK_SECONDS, Finished, Watching
from ganzoo.ablate.worker import Task
from ganzoo.common.errors import GanzooError, MachineError

RETRIES = 3
"""How often Ray gives a task to another worker when its own dies."""


class OnRay:
    """An engine on a Ray cluster, or on one that it starts here."""

    def __init__(
        self, address: str, jobs: int | None, *, cpus_per_cell: int = 1, gpus_per_cell: float = 0
    ) -> None:
        """Connect.

        Args:
            address: of the cluster; empty for ``$RAY_ADDRESS``, else one is started here.
            jobs: cells at the same time at most; None for what the cluster has room for.
            cpus_per_cell: CPUs that a cell asks for: the threads of all its processes.
            gpus_per_cell: GPUs that a cell asks for: one for each of its processes.

        Raises:
            GanzooError: if Ray is not installed, or no node has as many GPUs.
            MachineError: if the cluster cannot be reached or started.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            ray: Any = import_module("ray")
        except ImportError:
            raise GanzooError(
                "--on ray needs Ray: pip install 'ganzoo-torch[ray]'; or use --jobs N"
            ) from None
        self._ray = ray
        self._is_mine = not ray.is_initialized()
        address = address or os.environ.get("RAY_ADDRESS", "")
        if self._is_mine:
            try:
                if address:
                    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
                else:
                    ray.init(
                        num_cpus=jobs and jobs * cpus_per_cell,
                        include_dashboard=False,
                        log_to_driver=False,
                        logging_level=logging.ERROR,
                    )
            except Exception as error:  # noqa: BLE001 - Ray raises bare Exceptions
                where = address or "a cluster on this machine"
                raise MachineError(f"Ray cannot reach or start {where}: {error}") from None
        room = int(ray.cluster_resources().get("CPU", 1)) // cpus_per_cell
        if gpus_per_cell:
            # A cell's processes are on one node: what Ray would wait for in vain is told now.
            there = [int(node["Resources"].get("GPU", 0)) for node in ray.nodes() if node["Alive"]]
            if max(there, default=0) < gpus_per_cell:
                self.close()
                raise GanzooError(
                    f"a cell asks for {gpus_per_cell:g} GPUs on one node, and the largest node of "
                    f"the Ray cluster has {max(there, default=0)}; use fewer --processes"
                )
            room = min(room, sum(int(count // gpus_per_cell) for count in there))
        self.jobs = jobs or max(1, room)
        self._perform = ray.remote(
            num_cpus=cpus_per_cell,
            num_gpus=gpus_per_cell,
            max_retries=RETRIES,
            scheduling_strategy="SPREAD",
        )(perform_in)

    def run(
        self,
        tasks: Sequence[Task],
        finished: Finished,
        vanished: Callable[[Task, str], None],
        is_stopped: Watching,
    ) -> None:
        """Do all tasks; once stopped, those in work save what they train and no other begins."""
        waiting = list(tasks)
        running: dict[Any, Task] = {}
        is_asked = False
        while waiting or running:
            while waiting and len(running) < self.jobs:
                task = waiting.pop(0)
                running[self._perform.remote(task)] = task
            ready, _ = self._ray.wait(list(running), timeout=TICK_SECONDS)
            for reference in ready:
                self._tell(reference, running.pop(reference), finished, vanished)
            if is_stopped() and not is_asked:
                is_asked = True
                waiting.clear()
                for reference in running:
                    self._ray.cancel(reference, force=False, recursive=False)

    def _tell(
        self,
        reference: Any,
        task: Task,
        finished: Finished,
        vanished: Callable[[Task, str], None],
    ) -> None:
        errors = self._ray.exceptions
        try:
            answer = self._ray.get(reference)
        except errors.TaskCancelledError:
            return  # it was still waiting for a worker
        except errors.RayError as error:
            reason = str(error).strip().splitlines()[0]
            vanished(task, f"{type(error).__name__} after {RETRIES} retries: {reason}")
        else:
            finished(task, answer)

    def close(self) -> None:
        """Disconnect; a cluster that was started here ends."""
        if self._is_mine:
            self._ray.shutdown()
