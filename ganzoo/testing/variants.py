"""A component with each choice that its keys offer, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import ValidationError

from ganzoo.plugin.specs import Spec

T = TypeVar("T", bound=Spec)


def variants(spec: T) -> Iterator[tuple[str, T]]:
    """Yield the spec itself, then one for each other value of every choice and switch.

    The first of each pair tells them apart: `` (with pairing = 'average')``, nothing for the first.
    Values that the spec refuses are left out.
    """
    yield "", spec
    values = {name: getattr(spec, name) for name in type(spec).model_fields}
    for name, field in type(spec).model_fields.items():
        for other in _choices(field.annotation):
            if other == values[name]:
                continue
            try:
                changed = type(spec).model_validate({**values, name: other})
            except ValidationError:
                continue
            yield f" (with {name} = {other!r})", changed


def _choices(annotation: Any) -> tuple[Any, ...]:
    if annotation is bool:
        return (True, False)
    return get_args(annotation) if get_origin(annotation) is Literal else ()
