"""The fields of both networks, and what follows from them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from ganzoo.api import DiscriminatorSpec, GanzooError, GeneratorSpec, ImageShape

Width = Annotated[int, Field(ge=1, le=8192)]
Channels = Annotated[list[Width], Field(min_length=1, max_length=10)]
Blocks = Annotated[int, Field(ge=1, le=64)]


class GeneratorFields(GeneratorSpec):
    """Stages of blocks, each twice as large as the one before."""

    channels: Channels = [768, 768, 768, 768]  # noqa: RUF012
    """Channels of each stage, first to last. Each stage doubles the size of the previous one; the \
first has the size of the image divided by all doublings."""
    blocks: Blocks = 2
    """Residual blocks per stage."""
    expansion: PositiveInt = 2
    """How many times wider a block is inside."""
    group_size: PositiveInt = 16
    """Channels per group in the 3×3 convolutions."""
    labels: Literal["none", "embedding"] = "none"
    """How the class enters the network: not at all, or as a learned vector appended to the \
latent."""
    embedding_size: Width = 64
    """Length of a class's vector."""

    @property
    def uses_labels(self) -> bool:  # type: ignore[override]
        """Whether the network is called as ``generator(latent, labels)``."""
        return self.labels != "none"


class DiscriminatorFields(DiscriminatorSpec):
    """Stages of blocks, each half as large as the one before."""

    channels: Channels = [768, 768, 768, 768]  # noqa: RUF012
    """Channels of each stage, first to last. Each stage has half the size of the previous one."""
    blocks: Blocks = 2
    """Residual blocks per stage."""
    expansion: PositiveInt = 2
    """How many times wider a block is inside."""
    group_size: PositiveInt = 16
    """Channels per group in the 3×3 convolutions."""
    labels: Literal["none", "projection"] = "none"
    """How the class enters the network: not at all, or as a learned vector per class, multiplied \
with that of the image (projection)."""

    @property
    def uses_labels(self) -> bool:  # type: ignore[override]
        """Whether the network is called as ``discriminator(images, labels)``."""
        return self.labels != "none"


def smallest_map(spec: GeneratorFields | DiscriminatorFields, image: ImageShape) -> tuple[int, int]:
    """Return height and width of the smallest map.

    Raises:
        GanzooError: if there is none, a width is no multiple of a group, or labels are asked for
            and the images have no classes.
    """
    if spec.labels != "none" and image.num_classes < 1:
        raise GanzooError(
            f"{spec.kind}.labels: {spec.labels!r} needs images with classes, and these have none; "
            "use another dataset or labels = 'none'"
        )
    stages = len(spec.channels)
    grown = 2 ** (stages - 1)
    if image.height % grown or image.width % grown:
        raise GanzooError(
            f"{spec.kind}.channels: {stages} stages double or halve {stages - 1} times, and "
            f"{image.height}×{image.width} images are no multiple of {grown}; name fewer stages, "
            "or use another size"
        )
    for width in spec.channels:
        if width * spec.expansion % spec.group_size:
            raise GanzooError(
                f"{spec.kind}.group_size: {width} channels times expansion {spec.expansion} are no "
                f"multiple of {spec.group_size}; use widths that are, or another group_size"
            )
    return image.height // grown, image.width // grown
