"""What the fields of generators and discriminators share: types, and what labels ask for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ganzoo.api import DiscriminatorSpec, GanzooError, GeneratorSpec, ImageShape

Width = Annotated[int, Field(ge=1, le=8192)]
Kernel = Annotated[int, Field(ge=1, le=31)]
Probability = Annotated[float, Field(ge=0.0, lt=1.0)]
Initialiser = Literal["normal", "glorot", "he", "orthogonal", "torch"]
Factor = Annotated[int, Field(ge=1, le=2)]  # a Literal would let true and 1.0 through


def refuse_unlabelled(
    spec: GeneratorSpec | DiscriminatorSpec, labels: str, image: ImageShape
) -> None:
    """Raise GanzooError if the field 'labels' asks for classes and the images have none."""
    if labels != "none" and image.num_classes < 1:
        raise GanzooError(
            f"{spec.kind}.labels: {labels!r} needs images with classes, and these have none; use "
            "another dataset or labels = 'none'"
        )
