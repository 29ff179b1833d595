"""The fields of both networks, and what follows from them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from ganzoo.api import DiscriminatorSpec, GanzooError, GeneratorSpec, ImageShape

Form = Literal["skip", "residual", "plain"]
Width = Annotated[int, Field(ge=1, le=8192)]
Layers = Annotated[int, Field(ge=1, le=64)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Size = tuple[int, int]

SMALLEST, LARGEST = 4, 8
"""Height and width that a first map may have."""


class GeneratorFields(GeneratorSpec):
    """A mapping to styles, a learned map, layers that the styles modulate."""

    at_sampling: ClassVar[frozenset[str]] = frozenset(
        {"truncation", "truncated_layers", "mix_from", "mix_with", "noise"}
    )

    channel_base: PositiveInt = 16_384
    """Channels of a map are this divided by its longer side, at most channel_max."""
    channel_max: Width = 512
    """Maximum channels of a map."""
    w_size: Width = 512
    """Length of a style, w."""
    mapping_layers: Layers = 2
    """Layers between latent and style: 2 in StyleGAN2-ADA, 8 in StyleGAN2."""
    mapping_rate: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Learning rate of the mapping, as a share of the optimizer's."""
    form: Form = "skip"
    """How the image is made: as the sum of images of all sizes, or from the last map, with \
residual or plain blocks."""
    labels: Literal["none", "mapping"] = "none"
    """How the class enters the network: not at all, or as a learned vector beside the latent."""
    style_mixing: Annotated[float, Field(ge=0, le=1)] = 0.9
    """Share of training images whose later layers use the style of a second latent."""
    truncation: Annotated[float, Field(ge=0, le=2)] = 1.0
    """Truncation ψ when sampling: how far styles are from their average, 1 for no truncation. \
Fewer bad images, less variety; do not use it for scores."""
    truncated_layers: PositiveInt | None = None
    """How many layers, from the first, truncation applies to; by default all."""
    mix_from: PositiveInt | None = None
    """First layer, counted from 0, that uses the style of one shared latent when sampling."""
    mix_with: Seed = 0
    """Seed of that shared latent."""
    noise: Literal["fixed", "none"] = "fixed"
    """Noise added to the maps when sampling: the same for every image, or none. In training it is \
always new."""

    @property
    def uses_labels(self) -> bool:  # type: ignore[override]
        """Whether the network is called as ``generator(latent, labels)``."""
        return self.labels != "none"


class DiscriminatorFields(DiscriminatorSpec):
    """Blocks that halve a map, the spread of the batch, one number."""

    channel_base: PositiveInt = 16_384
    """Channels of a map are this divided by its longer side, at most channel_max."""
    channel_max: Width = 512
    """Maximum channels of a map."""
    form: Form = "residual"
    """Residual blocks; plain ones; or plain ones to which the image is added at every size."""
    minibatch_stddev: Annotated[int, Field(ge=0, le=1024)] = 4
    """Images per group for minibatch standard deviation, appended to the last map: this many, or \
the next smaller divisor of the batch; 0 for none."""
    labels: Literal["none", "projection"] = "none"
    """How the class of an image enters: not at all, or by a mapped vector of each \
class, times that of the image."""
    mapping_layers: NonNegativeInt = Field(default=8, le=64)
    """Layers that map a class to its vector."""
    mapping_rate: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Learning rate of these layers, as a share of the optimizer's."""

    @property
    def uses_labels(self) -> bool:  # type: ignore[override]
        """Whether the network is called as ``discriminator(images, labels)``."""
        return self.labels != "none"


def sizes(spec: GeneratorFields | DiscriminatorFields, image: ImageShape) -> list[Size]:
    """Return height and width of every map, the smallest first.

    Raises:
        GanzooError: if halving does not end at 4 to 8, or labels are asked for and the images have
            no classes.
    """
    if spec.labels != "none" and image.num_classes < 1:
        raise GanzooError(
            f"{spec.kind}.labels: {spec.labels!r} needs images with classes, and these have none; "
            "use another dataset or labels = 'none'"
        )
    height, width = image.height, image.width
    found = [(height, width)]
    while height % 2 == 0 and width % 2 == 0 and min(height, width) >= 2 * SMALLEST:
        height, width = height // 2, width // 2
        found.append((height, width))
    if min(height, width) < SMALLEST or max(height, width) > LARGEST:
        raise GanzooError(
            f"{spec.kind} {spec.use!r}: {image.height}×{image.width} images halve to "
            f"{height}×{width}, and the smallest map must be {SMALLEST} to {LARGEST} pixels high "
            "and wide; use another size, 28, 32, 48 or 64, say"
        )
    return found[::-1]


def channels(spec: GeneratorFields | DiscriminatorFields, size: Size) -> int:
    """Return the channels of a map of that size."""
    return max(1, min(spec.channel_base // max(size), spec.channel_max))
