"""Files written beside the training are those that are written in between, and nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from children import assembled, digest, write_recipe
from torch import Tensor

from ganzoo.common.errors import MachineError
from ganzoo.runs import checkpoint
from ganzoo.runs.folder import RunDir, checkpoints
from ganzoo.training import loop as train
from ganzoo.training.background import MOST, Aside, CudaCopier, Tensors
from ganzoo.training.loop import start
from ganzoo.training.state import Silent, TrainingState


class Late:
    """Stands in for copies from a GPU: there at the third look, or when they are waited for."""

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        self.looks = 0

    def are_there(self, *, wait: bool) -> bool:
        self.looks += 1
        return wait or self.looks >= 3


class Slow:
    """Stands in for the stream that copies."""

    def copy(self, tensors: Tensors) -> Late:
        return Late(tensors)


@pytest.fixture
def aside() -> Aside:
    return Aside(Slow())


def nothing(*_: object) -> None:
    """Do nothing."""


def test_where_host_and_device_are_one_everything_is_done_at_once() -> None:
    told: list[Any] = []
    number = torch.ones(())

    Aside().hand(
        {"x": number}, lambda found: told.append(found["x"] is number), lambda: told.append("then")
    )

    assert told == [True, "then"]


def test_tensors_are_written_as_they_were_on_another_thread_and_then_told_on_this(
    aside: Aside,
) -> None:
    number, told = torch.ones(()), []
    aside.hand(
        {"x": number},
        lambda found: told.append((float(found["x"]), threading.current_thread().name)),
        lambda: told.append(("then", threading.current_thread().name)),
    )
    number.zero_()
    assert told == []

    aside.settle()

    mine = threading.current_thread().name
    assert told == [(1.0, "ganzoo-writer_0"), ("then", mine)]
    assert mine != "ganzoo-writer_0"


def test_collecting_waits_for_nothing_and_keeps_the_order(aside: Aside) -> None:
    told: list[int] = []
    free = threading.Event()
    aside.hand({}, lambda _: nothing(free.wait(60)), lambda: told.append(1))
    aside.hand({}, nothing, lambda: told.append(2))

    for _ in range(10):
        aside.collect()
    assert told == []

    free.set()
    aside.settle()
    assert told == [1, 2]


def test_no_more_than_a_few_jobs_are_under_way(aside: Aside) -> None:
    told: list[int] = []
    for number in range(MOST + 2):
        aside.hand({}, nothing, lambda number=number: told.append(number))

    assert told == [0, 1]


@pytest.mark.parametrize("end", [Aside.settle, Aside.close])
def test_what_goes_wrong_is_told_and_the_rest_is_written(
    aside: Aside, end: Callable[[Aside], Any]
) -> None:
    told: list[str] = []

    def fail(_: Tensors) -> None:
        raise MachineError("no space")

    aside.hand({}, fail, lambda: told.append("failed"))
    aside.hand({}, lambda _: told.append("written"), nothing)

    if end is Aside.settle:
        with pytest.raises(MachineError, match="no space"):
            aside.settle()
    assert [str(each) for each in aside.close()] == ([] if end is Aside.settle else ["no space"])
    assert told == ["written"]


# Whole runs


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs write as they do on a GPU."""
    monkeypatch.setattr(train, "Aside", lambda _: Aside(Slow()))


def run_in(folder: Path, reporter: Any = None, minutes: float | None = None) -> RunDir:
    for name in ("samples", "checkpoints"):
        (folder / name).mkdir(parents=True)
    run = RunDir(folder)
    parts, registry = assembled(write_recipe(folder))
    start(parts, registry, run, reporter or Silent(), minutes=minutes)
    return run


def test_a_run_leaves_the_same_files(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    plain = run_in(tmp_path / "plain")
    request.getfixturevalue("beside")

    told: list[tuple[str, int]] = []

    class Listener(Silent):
        def sampled(self, training: TrainingState, path: Path, step: int) -> None:  # noqa: ARG002
            assert path.exists()
            told.append(("sampled", step))

        def saved(self, training: TrainingState, path: Path, step: int) -> None:  # noqa: ARG002
            assert path.exists()
            told.append(("saved", step))

    other = run_in(tmp_path / "other", Listener())

    assert digest(other.path) == digest(plain.path)
    assert told == [
        ("saved", 4), ("sampled", 5), ("saved", 8), ("sampled", 10), ("sampled", 12), ("saved", 12)
    ]  # fmt: skip


@pytest.mark.usefixtures("beside")
def test_a_run_that_fails_keeps_the_checkpoint_that_was_under_way(tmp_path: Path) -> None:
    class Failing(Silent):
        def stepped(self, training: TrainingState) -> None:
            if training.step == 4:
                assert not checkpoints(training.run.checkpoints)
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_in(tmp_path / "run", Failing())

    run = RunDir(tmp_path / "run")
    (kept,) = checkpoints(run.checkpoints)
    assert checkpoint.read_checkpoint(kept)[1].step == 4
    assert run.read_json("status.json")["status"] == "failed"


@pytest.mark.usefixtures("beside")
def test_a_run_that_is_stopped_has_its_checkpoint(tmp_path: Path) -> None:
    run = run_in(tmp_path / "run", minutes=0)

    (kept,) = checkpoints(run.checkpoints)
    assert checkpoint.read_checkpoint(kept)[1].step == 1
    assert run.read_json("status.json")["status"] == "interrupted"


@pytest.mark.usefixtures("beside")
def test_a_disk_that_refuses_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object) -> None:
        raise MachineError(f"cannot write '{path}'")

    monkeypatch.setattr(checkpoint, "write", refuse)

    with pytest.raises(MachineError, match="step-000004"):
        run_in(tmp_path / "run")
    assert RunDir(tmp_path / "run").read_json("status.json")["status"] == "failed"


# On the device itself


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpus_tensors_arrive_as_they_were() -> None:
    device = torch.device("cuda", 0)
    aside, found = Aside(CudaCopier(device)), {}
    numbers = torch.arange(1_000_000, device=device, dtype=torch.float32)
    step = torch.ones(())

    def write(copies: dict[str, Tensor]) -> None:
        found.update(copies)

    aside.hand({"numbers": numbers, "step": step}, write, nothing)
    numbers.zero_()
    step.zero_()
    aside.settle()

    assert found["numbers"].device.type == "cpu"
    assert found["numbers"].is_pinned()
    assert torch.equal(found["numbers"], torch.arange(1_000_000, dtype=torch.float32))
    assert float(found["step"]) == 1
    aside.close()
