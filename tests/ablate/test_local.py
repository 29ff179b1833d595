"""The engine of local processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ganzoo.ablate import local
from ganzoo.ablate.worker import Answer, Setup, Task


def killed(task: Task) -> Answer:
    """Stand in for a task that the system kills, or one that answers."""
    if task.folder == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return Answer(error=f"{task.folder} by {os.getpid()}")


def work(pipe: local.Connection, orders: local.Connection) -> None:
    """Be a worker whose tasks are those above."""
    local.perform_in = killed
    local.work(pipe, orders)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-9, "killed by SIGKILL"),
        (-11, "killed by SIGSEGV"),
        (9, "it exited with code 9"),
        (None, "it vanished"),
    ],
)
def test_a_death_is_told_in_words(code: int | None, words: str) -> None:
    assert local.died(code) == words


@pytest.mark.timeout(120)
def test_a_killed_worker_is_replaced_and_the_others_stay_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # its tasks' folders are made where it is
    start = local.multiprocessing.get_context("spawn").Process
    monkeypatch.setattr(
        local.multiprocessing.get_context("spawn"),
        "Process",
        lambda target, args, name: start(target=work, args=args, name=name),  # noqa: ARG005
    )
    names = ["a", "deadly", "b", "c", "d"]
    answers: dict[str, str] = {}
    deaths: dict[str, str] = {}
    engine = local.Local(1)

    engine.run(
        [Task(Setup(), name) for name in names],
        lambda task, answer: answers.update({task.folder: answer.error}),
        lambda task, how: deaths.update({task.folder: how}),
        lambda: False,
    )
    engine.close()

    workers = {name: answer.rpartition(" ")[2] for name, answer in answers.items()}
    assert deaths == {"deadly": "killed by SIGKILL"}
    assert sorted(answers) == ["a", "b", "c", "d"]
    assert workers["b"] == workers["c"] == workers["d"] != workers["a"]
