"""What the fields of both networks share: types, and what labels ask for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from ganzoo.api import DiscriminatorSpec, GanzooError, GeneratorSpec, ImageShape

Width = Annotated[int, Field(ge=1, le=8192)]
Channels = Annotated[list[Width], Field(min_length=2, max_length=10)]
Resolutions = Annotated[list[PositiveInt], Field(max_length=4)]
Initialiser = Literal["glorot", "orthogonal", "normal"]
Block = Literal["plain", "deep"]
Shortcut = Literal["channels", "convolution"]
Depth = Annotated[int, Field(ge=1, le=8)]


def refuse_unlabelled(
    spec: GeneratorSpec | DiscriminatorSpec, labels: str, image: ImageShape
) -> None:
    """Raise GanzooError if the field 'labels' asks for classes and the images have none."""
    if labels != "none" and image.num_classes < 1:
        raise GanzooError(
            f"{spec.kind}.labels: {labels!r} needs images with classes, and these have none; use "
            "another dataset or labels = 'none'"
        )
