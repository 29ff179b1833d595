"""What a worker believes of a cell's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganzoo.ablate import worker
from ganzoo.common.errors import MachineError
from ganzoo.runs.folder import RunDir


def test_a_cell_knows_how_long_it_has_trained(tmp_path: Path) -> None:
    run = RunDir(tmp_path)

    assert worker._minutes_spent(run) == 0
    worker._spend(run, 60)
    worker._spend(run, 60)
    assert worker._minutes_spent(run) == 2


@pytest.mark.parametrize("said", ['"60"', "null", "-1", "1e999", "[]", "true"])
def test_forged_minutes_of_a_cell_are_refused_by_file(tmp_path: Path, said: str) -> None:
    (tmp_path / worker.SPENT).write_text(f'{{"seconds": {said}}}')

    with pytest.raises(MachineError, match=r"minutes\.json' should say how many seconds"):
        worker._minutes_spent(RunDir(tmp_path))
