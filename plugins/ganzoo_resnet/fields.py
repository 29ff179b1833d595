"""Types of fields that both networks have."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from ganzoo_dcgan.fields import Width

Channels = Annotated[list[Width], Field(min_length=2, max_length=10)]
Resolutions = Annotated[list[PositiveInt], Field(max_length=4)]
Initialiser = Literal["glorot", "orthogonal", "normal"]
