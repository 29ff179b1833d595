"""A component to try: its defaults, and for keys without one the examples that its author gives."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.specs import Spec

S = TypeVar("S", bound=Spec)


class UntriedError(GanzooError):
    """A component that cannot be tried, and what it would take."""


def example(spec: type[S]) -> S:
    """Return ``spec`` with its defaults; a key without one takes the first of its examples.

    An example stands in the field: ``path: Annotated[str, Field(examples=["faces"])]``.

    Raises:
        UntriedError: if a key has neither, or the values are refused together.
    """
    values: dict[str, Any] = {}
    missing = []
    for name, field in spec.model_fields.items():
        if field.is_required() and field.examples:
            values[name] = field.examples[0]
        elif field.is_required():
            missing.append(f"'{name}'")
    if missing:
        raise UntriedError(
            f"not tried: it needs {', '.join(missing)}; give the field an example, "
            f"Field(examples=[...]), or values to the kit: check({spec.__name__}(...))"
        )
    try:
        return spec.model_validate(values)
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        given = "its examples are" if values else "its defaults are"
        raise UntriedError(
            f"not tried: {given} refused ({said}); give values: check({spec.__name__}(...))"
        ) from error
