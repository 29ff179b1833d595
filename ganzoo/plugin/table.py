"""A table of a recipe: strict, closed and frozen; its fields' docstrings are their help."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of a recipe: strict, closed and frozen."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        frozen=True,
        use_attribute_docstrings=True,
        serialize_by_alias=True,  # a key may be a word of Python, as 'from' is
    )
