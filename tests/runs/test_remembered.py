"""What components of a run remember is read from its checkpoints, whatever lies there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ganzoo.runs.folder import RunDir
from ganzoo.runs.memory import memory


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Return a run with one checkpoint."""
    made = RunDir(tmp_path)
    made.checkpoints.mkdir(parents=True)
    tensors = {
        "own/loss/k": torch.tensor(0.0125),
        "own/loss/0.weight": torch.zeros(3, 5),
        "own/regularizer.0/half": torch.tensor([0.5, -2.0], dtype=torch.bfloat16),
        "own/view.1/seen": torch.tensor(7),
        "generator/weight": torch.ones(2),
    }
    save_file(tensors, made.checkpoints / "step-000009.safetensors")
    return made


def test_few_numbers_are_told_and_many_are_counted(run: RunDir) -> None:
    assert memory(run) == {
        "loss.0.weight": 15,
        "loss.k": [pytest.approx(0.0125)],
        "regularizer.0.half": [0.5, -2.0],
        "view.1.seen": [7],
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 9,
        (2).to_bytes(8, "little") + b"[]",
        (9).to_bytes(8, "little") + b'{"own/":1}',
        (40).to_bytes(8, "little") + b'{"own/a":{"shape":[-1],"dtype":"F32"}}  ',
    ],
)
def test_a_checkpoint_that_is_none_gives_way_to_the_one_before(run: RunDir, content: bytes) -> None:
    (run.checkpoints / "step-000010.safetensors").write_bytes(content)

    assert memory(run)["view.1.seen"] == [7]


def test_a_run_without_checkpoints_remembers_nothing(tmp_path: Path) -> None:
    assert memory(RunDir(tmp_path)) == {}
