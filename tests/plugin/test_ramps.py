"""Numbers that move during a run."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from ganzoo.plugin.ramps import (
    Moving,
    MovingNonNegative,
    MovingPositive,
    MovingShare,
    OrRamp,
    Ramp,
    at_step,
    ramps_of,
    rate,
)
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


def test_a_late_schedule_keeps_the_rate_for_half_the_run_and_falls_straight_to_0() -> None:
    found = [rate("late_linear", 0.0, update, 100) for update in (0, 25, 50, 60, 75, 100, 150)]

    assert found == pytest.approx([1.0, 1.0, 1.0, 0.8, 0.5, 0.0, 0.0], rel=1e-12, abs=1e-12)


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


def test_a_course_in_stairs_stands_still_on_each_and_a_straight_one_does_not() -> None:
    stairs, straight = (
        Ramp(start=0.0, end=1.0, course=course, stairs=2)
        for course in ("steps", "linear")  # type: ignore[arg-type]
    )

    assert [stairs.at(step, 8) for step in range(9)] == [0.0] * 4 + [0.5] * 4 + [1.0]
    assert [straight.at(step, 8) for step in range(9)] == [step / 8 for step in range(9)]


def test_there_are_one_to_ten_thousand_stairs() -> None:
    for stairs in (1, 10_000):
        assert Ramp(start=0.0, end=1.0, stairs=stairs).stairs == stairs
    for stairs in (0, 10_001):
        with pytest.raises(ValidationError, match=r"stairs[\s\S]*equal to (1|10000)"):
            Ramp(start=0.0, end=1.0, stairs=stairs)


@pytest.mark.parametrize(("start", "end"), [(1e-3, 0.5), (0.5, 1e-3), (-4.0, -1.0), (3.0, 40.0)])
def test_an_exponential_course_changes_by_equal_factors(start: float, end: float) -> None:
    ramp = Ramp(start=start, end=end, course="exponential")
    values = [ramp.at(step, 10) for step in range(11)]

    factors = [later / earlier for earlier, later in pairwise(values)]
    assert factors == pytest.approx([(end / start) ** 0.1] * 10, rel=1e-9)


@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (1.0, -1.0)])
def test_no_factors_lead_to_zero_or_past_it(start: float, end: float) -> None:
    with pytest.raises(ValidationError, match="same sign, not 0"):
        Ramp(start=start, end=end, course="exponential")


def test_a_ramp_of_one_step_is_over_after_it() -> None:
    ramp = Ramp(start=1.0, end=2.0, begin=3, until=4)

    assert [ramp.at(step, 10) for step in (2, 3, 4, 5)] == [1.0, 1.0, 2.0, 2.0]


def test_before_it_begins_a_ramp_is_its_start_however_far_its_end_is() -> None:
    assert Ramp(start=-1e308, end=1e308, begin=5).at(5, 10) == -1e308


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Moving, (-1e9, 0.0, 1e9), ()),
        (MovingNonNegative, (0.0, 0.5, 1e9), (-1e-9, -0.5)),
        (MovingPositive, (1e-9, 0.5, 1e9), (0.0, -0.5)),
        (MovingShare, (0.0, 0.5, 1.0), (-1e-9, -0.5, 1 + 1e-9, 1.5)),
    ],
)
def test_both_ends_of_a_ramp_keep_the_bounds_of_its_number(
    kind: Any, good: tuple[float, ...], bad: tuple[float, ...]
) -> None:
    field: TypeAdapter[Any] = TypeAdapter(kind)

    for value in good:
        assert field.validate_python(value) == value
        ramp = field.validate_python({"start": value, "end": good[0]})
        assert (ramp.start, ramp.end) == (value, good[0])
    for value in bad:
        for given in (value, {"start": value, "end": good[0]}, {"start": good[0], "end": value}):
            with pytest.raises(ValidationError, match="Input should be"):
                field.validate_python(given)


def test_a_whole_number_takes_no_ramp_which_would_give_it_fractions() -> None:
    field: TypeAdapter[Any] = TypeAdapter(Annotated[int, OrRamp])

    assert field.validate_python(3) == 3
    with pytest.raises(ValidationError, match="start: Input should be a valid integer"):
        field.validate_python({"start": 0, "end": 4})
