"""Types of recipe fields that generators and discriminators share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Width = Annotated[int, Field(ge=1, le=8192)]
Kernel = Annotated[int, Field(ge=1, le=31)]
Probability = Annotated[float, Field(ge=0.0, lt=1.0)]
Initialiser = Literal["normal", "glorot", "he", "orthogonal", "torch"]
Factor = Annotated[int, Field(ge=1, le=2)]  # a Literal would let true and 1.0 through
