"""A run that cannot go on says why and what to try, and its folder says so too."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from children import assembled, write_recipe

from ganzoo.common.errors import TrainingError
from ganzoo.runs.folder import RunDir
from ganzoo.training.failures import predict_disk_use
from ganzoo.training.loop import start
from ganzoo.training.state import Silent, TrainingState


@pytest.fixture
def parts(tmp_path: Path) -> Any:
    """Return the parts of a tiny run and its registry."""
    return assembled(write_recipe(tmp_path))


def folder(tmp_path: Path) -> RunDir:
    for name in ("samples", "checkpoints"):
        (tmp_path / "run" / name).mkdir(parents=True)
    return RunDir(tmp_path / "run")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
        MemoryError(),
    ],
    ids=["cuda", "cpu", "python"],
)
def test_out_of_memory_names_the_batch_size_to_try(
    tmp_path: Path, parts: Any, error: Exception
) -> None:
    built, registry = parts
    step, calls = built.step, []

    def failing(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 6:
            raise error
        return step(*arguments, **options)

    built.step = failing

    with pytest.raises(
        TrainingError, match=r"out of memory.*--set train\.batch_size=8; last good .*step-000004"
    ) as caught:
        start(built, registry, folder(tmp_path), Silent())
    assert caught.value.exit_code == 4
    run = RunDir(tmp_path / "run")
    assert run.read_json("status.json")["status"] == "failed"
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-000004.safetensors"]


def test_a_term_that_stops_being_a_number_ends_the_run_before_it_is_saved(
    tmp_path: Path, parts: Any
) -> None:
    built, registry = parts
    step = built.step

    def poisoned(number: int, *arguments: Any, **options: Any) -> Any:
        if number == 6:
            next(built.discriminator.network.parameters()).data.fill_(float("nan"))
        return step(number, *arguments, **options)

    built.step = poisoned

    with pytest.raises(TrainingError, match=r"became nan at step 7.*last good.*step-000004"):
        start(built, registry, folder(tmp_path), Silent())


def test_a_disk_that_will_not_do_is_told_before_the_first_step(
    parts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ganzoo.training.failures

    told: list[str] = []
    reporter = SimpleNamespace(warn=told.append)
    training = TrainingState.__new__(TrainingState)
    training.parts, training.run, training.reporter = parts[0], RunDir(tmp_path), reporter  # type: ignore[assignment]
    training.fixed = torch.zeros(6, 8)

    predict_disk_use(training)
    assert told == []
    monkeypatch.setattr(
        ganzoo.training.failures.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000)
    )
    predict_disk_use(training)
    assert "MB" in told[0]
    assert "checkpoint.keep" in told[0]
