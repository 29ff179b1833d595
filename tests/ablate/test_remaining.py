"""What is left of an ablation: counted once each, and estimated by the cells that ran."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiments import experiment, finish

from ganzoo.ablate.experiment import Experiment
from ganzoo.ablate.remaining import Remaining, spread


@pytest.fixture
def six(tmp_path: Path) -> Experiment:
    """Return two variants over three seeds, of which nothing is done."""
    made = experiment(tmp_path / "six", {"plain": {}, "slow": {}, "_": {0: 1, 1: 1, 2: 1}})
    made.plan["cells"] = [cell for cell in made.cells if cell["variant"] != "_"]
    return made


def cells(made: Experiment, variant: str) -> list[str]:
    return [cell["id"] for cell in made.cells if cell["variant"] == variant]


def test_cells_that_end_at_once_are_counted_one_after_the_other(six: Experiment) -> None:
    left = Remaining(six, {}, jobs=2)
    first, second = cells(six, "plain")[:2]
    for cell in (first, second):
        finish(six.run(cell), 1.0)

    counted = []
    for cell in (first, first, second):
        left.ended(cell)
        counted.append(left.done)

    assert counted == [1, 1, 2]


def test_nothing_is_known_before_anything_was_tried_or_made(six: Experiment) -> None:
    assert Remaining(six, {}, jobs=1).seconds() is None


def test_what_was_expected_holds_until_a_cell_says_otherwise(six: Experiment) -> None:
    left = Remaining(six, {"plain": 10.0, "slow": 30.0}, jobs=1)

    assert left.seconds(left._begun) == pytest.approx(3 * 10 + 3 * 30)


def test_the_first_cell_corrects_all_that_are_left(six: Experiment) -> None:
    left = Remaining(six, {"plain": 10.0, "slow": 30.0}, jobs=1)
    first = cells(six, "plain")[0]
    finish(six.run(first), 1.0, seconds=20.0)

    left.ended(first)

    # It trained for 20 s where 10 were expected, and took 22 s of the clock.
    assert left.seconds(left._begun + 22) == pytest.approx((2 * 20 + 3 * 60) * 22 / 20)


def test_a_cell_at_work_counts_by_its_steps(six: Experiment) -> None:
    left = Remaining(six, {}, jobs=1)
    run = six.run(cells(six, "plain")[0])
    run.write_json("status.json", {"status": "running", "step": 0})
    run.write_json("environment.json", {"steps": 30})
    run.append_log({"step": 15})

    assert left.seconds(left._begun + 5) == pytest.approx(5 * 5.5 / 0.5)


def test_what_an_earlier_session_made_is_not_counted_as_fast(six: Experiment) -> None:
    run = six.run(cells(six, "plain")[0])
    run.write_json("status.json", {"status": "interrupted", "step": 15})
    run.write_json("environment.json", {"steps": 30})
    run.append_log({"step": 15})
    left = Remaining(six, {}, jobs=1)
    assert left.seconds(left._begun + 5) is None

    run.append_log({"step": 30})

    assert left.seconds(left._begun + 5) == pytest.approx(5 * 5 / 0.5)


def test_the_last_cells_take_as_long_as_the_longest_of_them() -> None:
    assert spread([4.0, 4.0, 4.0, 4.0], 2) == 8.0
    assert spread([9.0, 1.0], 2) == 9.0
    assert spread([], 2) == 0.0
