"""Numbers that move during a run."""

from __future__ import annotations

import math
from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from ganzoo.plugin.ramps import Moving, MovingShare, OrRamp, Ramp, at_step, ramps_of, rate
from ganzoo.plugin.specs import OptimizerSpec
from ganzoo.plugin.table import Table


class Inner(Table):
    """A table inside another."""

    strength: MovingShare = 0.5
    """A share."""


class Example(Table):
    """A table with numbers that may move."""

    weight: Annotated[float, Field(ge=0), OrRamp] = 1.0
    """Bounded."""
    free: Moving = 2.0
    """Unbounded."""
    betas: list[MovingShare] = [0.0, 0.9]  # noqa: RUF012
    """Two shares."""
    inner: Inner = Inner()
    """Another table."""
    name: str = "plain"
    """No number."""


@pytest.mark.parametrize(
    ("course", "half"),
    [
        ("linear", 0.5 + 0.25 * 3.5),
        ("cosine", 0.5 + 3.5 * 0.5 * (1 - math.cos(math.pi / 4))),
        ("exponential", 0.5 * 8**0.25),
        ("steps", 0.5 + 3.5 * 0.25),
        ("constant", 0.5),
    ],
)
def test_a_ramp_runs_from_start_to_end_along_its_course(course: str, half: float) -> None:
    ramp = Ramp(start=0.5, end=4.0, begin=10, until=30, course=course)  # type: ignore[arg-type]

    assert [ramp.at(step, 100) for step in (0, 10, 30, 99)] == [0.5, 0.5, 4.0, 4.0]
    assert ramp.at(15, 100) == pytest.approx(half, rel=1e-12)


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", (1.0, 1.0, 1.0, 1.0)),
        ("linear", (1.0, 0.75, 0.0, 0.0)),
        ("cosine", (1.0, 0.5 * (1 + math.cos(math.pi / 4)), 0.0, 0.0)),
        ("inverse_time", (1.0, 1 / 13.5, 1 / 51, 1 / 76)),
    ],
)
def test_a_schedule_begins_at_the_rate_and_falls_as_its_formula(
    schedule: str, factors: tuple[float, ...]
) -> None:
    found = [rate(schedule, 0.5, update, 100) for update in (0, 25, 100, 150)]

    assert found == pytest.approx(factors, rel=1e-12, abs=1e-12)


def test_without_an_end_a_ramp_is_as_long_as_the_run() -> None:
    assert Ramp(start=0.0, end=1.0).at(25, 100) == 0.25


def test_a_field_takes_a_number_or_a_ramp_within_its_bounds() -> None:
    moving = Example.model_validate({"weight": {"start": 0.0, "end": 1.0}})

    assert moving.weight == Ramp(start=0.0, end=1.0)
    assert Example(weight=3.0).weight == 3.0
    with pytest.raises(ValidationError, match="end: Input should be greater than or equal to 0"):
        Example.model_validate({"weight": {"start": 0.0, "end": -1.0}})
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        Example(weight=-1.0)
    with pytest.raises(ValidationError, match="valid number"):
        Example.model_validate({"weight": "much"})
    with pytest.raises(ValidationError, match="must be later than begin"):
        Example.model_validate({"free": {"start": 0.0, "end": 1.0, "begin": 5, "until": 5}})
    with pytest.raises(ValidationError, match="same sign"):
        Example.model_validate({"free": {"start": 0.0, "end": 1.0, "course": "exponential"}})


def test_a_ramp_is_written_and_read_back_equal() -> None:
    moving = Example.model_validate({"weight": {"start": 0.0, "end": 1.0, "until": 7}})

    written = moving.model_dump(exclude_none=True)

    assert written["weight"]["until"] == 7
    assert Example.model_validate(written) == moving
    assert "anyOf" in str(Example.model_json_schema()) or "oneOf" in str(
        Example.model_json_schema()
    )


def test_a_component_is_handed_itself_with_the_numbers_of_the_step() -> None:
    still = Example()
    moving = Example.model_validate(
        {
            "weight": {"start": 0.0, "end": 10.0},
            "betas": [0.0, {"start": 0.9, "end": 0.99}],
            "inner": {"strength": {"start": 1.0, "end": 0.0}},
        }
    )

    now = at_step(moving, lambda ramp: ramp.at(50, 100))

    assert at_step(still, lambda ramp: ramp.at(50, 100)) is still
    assert now.weight == 5.0
    assert now.betas == [0.0, pytest.approx(0.945)]
    assert now.inner.strength == 0.5
    assert [key for key, _ in ramps_of(moving)] == ["weight", "betas.1", "inner.strength"]


@pytest.mark.parametrize("value", [1e9, 0.0, -1.0, {"start": 1e-3, "end": 101, "until": 9}])
def test_a_learning_rate_that_trains_nothing_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match=r"less than or equal to 100|greater than 0"):
        OptimizerSpec.model_validate({"lr": value})
    assert OptimizerSpec.model_validate({"lr": 100}).lr == 100


def test_a_ramp_that_begins_as_the_run_ends_stands_at_its_start() -> None:
    assert Ramp(start=1.0, end=2.0, begin=10).at(10, 10) == 1.0


def test_ramps_by_name_are_found_and_replaced() -> None:
    class Named(Table):
        """Numbers by name."""

        weights: dict[str, Moving] = {}  # noqa: RUF012
        """Any."""

    named = Named(weights={"a": 1.0, "b": Ramp(start=0.0, end=4.0)})

    assert [key for key, _ in ramps_of(named)] == ["weights.b"]
    assert at_step(named, lambda ramp: ramp.at(5, 10)).weights == {"a": 1.0, "b": 2.0}
