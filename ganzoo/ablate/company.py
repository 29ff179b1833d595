"""A cell in several processes: started by torch's launcher, they run or resume its folder as one.

The process that gives them the task waits, and passes on a wish to stop. Only words go between
them, as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ganzoo.ablate.worker import Answer, Setup, Task, perform
from ganzoo.common import ranks
from ganzoo.training.place import Place
from ganzoo.training.signals import stopping

SAVING_S = 55
"""Seconds that processes get to save a run once they are asked to stop."""
TICK_S = 0.1


def perform_in(task: Task) -> Answer:
    """Do ``task`` in as many processes as its setup says; trying a recipe takes one."""
    if task.setup.processes == 1 or not task.folder:
        return perform(task)
    try:
        return _launched(task)
    except KeyboardInterrupt:
        return Answer("interrupted", 130)
    except OSError as error:
        return Answer(f"{task.setup.processes} processes could not be started: {error}", 4)


def _launched(task: Task) -> Answer:
    count, here = task.setup.processes, visible(task.device)
    place = replace(task.setup.place, device="cuda") if here else task.setup.place
    given = replace(task, setup=replace(task.setup, place=place), device="")
    environment = {**os.environ, "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(SAVING_S)}
    environment |= {"CUDA_VISIBLE_DEVICES": here} if here else {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "task.json").write_text(json.dumps(asdict(given)), encoding="utf-8")
        started = subprocess.Popen(
            [
                *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
                *("--nproc-per-node", str(count), "-m", "ganzoo.ablate.company", folder),
            ],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with stopping(lambda: None) as stop:
            deadline = None
            try:
                while started.poll() is None:
                    if stop.signal is not None and deadline is None:
                        started.terminate()
                        deadline = time.monotonic() + SAVING_S + 5
                    if deadline is not None and time.monotonic() > deadline:
                        started.kill()
                    time.sleep(TICK_S)
            finally:
                if started.poll() is None:  # a second Ctrl-C
                    started.kill()
                    started.wait()
        answer = Path(folder) / "answer.json"
        if answer.is_file():
            return Answer(**json.loads(answer.read_text(encoding="utf-8")))
    if stop.signal is not None:
        return Answer("interrupted", stop.exit_code)
    return Answer(died=f"one of the {count} processes of the cell was ended from outside")


def visible(devices: str) -> str:
    """Return 'cuda:0,cuda:1' as the value of CUDA_VISIBLE_DEVICES for the processes of a cell."""
    numbers = [int(name.partition(":")[2]) for name in devices.split(",") if name]
    known = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = None if known is None else [name.strip() for name in known.split(",")]
    return ",".join(str(number) if names is None else names[number] for number in numbers)


def task_of(written: dict[str, Any]) -> Task:
    """Return a task that was written as JSON."""
    setup = dict(written["setup"])
    setup["place"] = Place(**setup["place"])
    for name in ("plugins", "block", "metrics"):
        setup[name] = tuple(setup[name])
    return Task(Setup(**setup), written["folder"], written["frozen"], written["device"])


def main(folder: str) -> int:
    """Do the task of a folder as one of several processes; the first one leaves the answer."""
    written = json.loads((Path(folder) / "task.json").read_text(encoding="utf-8"))
    answer = perform(task_of(written))
    if ranks.rank() == 0:
        place = Path(folder) / "answer.json"
        place.with_suffix(".new").write_text(json.dumps(asdict(answer)), encoding="utf-8")
        os.replace(place.with_suffix(".new"), place)
    return answer.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
