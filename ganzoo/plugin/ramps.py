"""Numbers that move during a run: ``{ start = 0.0, end = 0.5, until = 10000 }`` for a number.

A component that declares a field as ``Moving`` reads it as an ordinary number: at every step the
core hands the component to itself with the numbers of that step in place of its ramps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError, SchemaValidator, core_schema

from ganzoo.plugin.table import Table

T = TypeVar("T", bound=Table)


class Ramp(Table):
    """A number that changes from ``start`` to ``end``."""

    start: float
    """Value before the ramp starts."""
    end: float
    """Value after the ramp."""
    begin: NonNegativeInt = 0
    """Step at which the ramp starts."""
    until: PositiveInt | None = None
    """Step at which the ramp ends; by default the end of the run."""
    course: Literal["linear", "cosine", "exponential", "steps", "constant"] = "linear"
    """Shape of the ramp: linear, half a cosine, exponential, in stairs, or a jump from 'start' to \
'end'."""
    stairs: Annotated[int, Field(ge=1, le=10_000)] = 4
    """Number of stairs of the course 'steps'."""

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if self.until is not None and self.until <= self.begin:
            raise ValueError(f"until = {self.until} must be later than begin = {self.begin}")
        if self.course == "exponential" and not self.start * self.end > 0:
            raise ValueError("course 'exponential' needs start and end of the same sign, not 0")
        return self

    def at(self, step: int, total: int) -> float:
        """Return the value during step number ``step`` (from 0) of a run of ``total`` steps."""
        until = total if self.until is None else self.until
        length = max(1, until - self.begin)
        share = min(1.0, max(0.0, (step - self.begin) / length))
        if share in (0.0, 1.0):
            return self.end if share else self.start
        if self.course == "exponential":
            return float(self.start * (self.end / self.start) ** share)
        return self.start + (self.end - self.start) * self._done(share)

    def _done(self, share: float) -> float:
        if self.course == "constant":
            return 0.0
        if self.course == "cosine":
            return 0.5 * (1 - math.cos(math.pi * share))
        if self.course == "steps":
            return math.floor(share * self.stairs) / self.stairs
        return share


class _OrRamp:
    """Lets a field take a ramp in place of its number; start and end obey the number's bounds."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        number = handler(source)
        ramp = handler.generate_schema(Ramp)
        validator = SchemaValidator(number)

        def bounded(value: Ramp) -> Ramp:
            for name in ("start", "end"):
                try:
                    validator.validate_python(getattr(value, name), strict=True)
                except ValidationError as error:
                    said = error.errors()[0]["msg"]
                    raise PydanticCustomError(
                        "ramp", "{name}: {said}", {"name": name, "said": said}
                    ) from None
            return value

        checked = core_schema.no_info_after_validator_function(bounded, ramp)
        return core_schema.tagged_union_schema(
            {"number": number, "ramp": checked},
            discriminator=lambda value: "ramp" if isinstance(value, (dict, Ramp)) else "number",
        )


OrRamp = _OrRamp()
"""In a field's annotation, after its bounds: ``Annotated[float, Field(ge=0), OrRamp]``."""
Moving = Annotated[float, OrRamp]
"""A number that a recipe may let move: ``weight: Moving = 1.0``."""
MovingNonNegative = Annotated[float, Field(ge=0), OrRamp]
"""The same from 0 on."""
MovingPositive = Annotated[float, Field(gt=0), OrRamp]
"""The same above 0."""
MovingRate = Annotated[float, Field(gt=0, le=100), OrRamp]
"""A learning rate: above 0, and at most 100, past any that ever trained something."""
MovingShare = Annotated[float, Field(ge=0, le=1), OrRamp]
"""The same from 0 to 1."""


def rate(schedule: str, decay: float, update: int, total: int) -> float:
    """Return the factor on the learning rate at ``update`` (from 0) of ``total``.

    'linear' and 'cosine' fall from 1 to 0 at the end of the run, 'late_linear' from its middle on;
    'inverse_time' is
    1 / (1 + decay · update), what Keras' optimizers called ``decay``.
    """
    if schedule == "linear":
        return max(0.0, 1 - update / total)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, update / total)))
    if schedule == "late_linear":
        return min(1.0, max(0.0, 2 * (1 - update / total)))
    if schedule == "inverse_time":
        return 1 / (1 + decay * update)
    return 1.0


def ramps_of(table: Table) -> Iterator[tuple[str, Ramp]]:
    """Yield every ramp in the fields of ``table`` itself, by dotted key; inner tables included."""
    for name in type(table).model_fields:
        yield from _ramps_in(name, getattr(table, name))


def at_step(table: T, value_of: Callable[[Ramp], Any]) -> T:
    """Return ``table`` with ``value_of(ramp)`` in place of every ramp; itself without any."""
    found = {
        name: _replaced(value, value_of)
        for name in type(table).model_fields
        if any(_ramps_in(name, value := getattr(table, name)))
    }
    return table.model_copy(update=found) if found else table


def _ramps_in(key: str, value: Any) -> Iterator[tuple[str, Ramp]]:
    if isinstance(value, Ramp):
        yield key, value
    elif isinstance(value, Table):
        for name, ramp in ramps_of(value):
            yield f"{key}.{name}", ramp
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _ramps_in(f"{key}.{number}", item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _ramps_in(f"{key}.{name}", item)


def _replaced(value: Any, value_of: Callable[[Ramp], Any]) -> Any:
    if isinstance(value, Ramp):
        return value_of(value)
    if isinstance(value, Table):
        return at_step(value, value_of)
    if isinstance(value, (list, tuple)):
        return type(value)(_replaced(item, value_of) for item in value)
    if isinstance(value, dict):
        return {name: _replaced(item, value_of) for name, item in value.items()}
    return value
