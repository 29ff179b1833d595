"""Generator and discriminator 'r3gan' as a recipe describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from ganzoo.api import DiscriminatorSpec, GanzooError, GeneratorSpec, ImageShape
from ganzoo_dcgan.fields import Width, refuse_unlabelled

if TYPE_CHECKING:
    from torch import nn

Channels = Annotated[list[Width], Field(min_length=1, max_length=10)]
Blocks = Annotated[int, Field(ge=1, le=64)]


class R3ganGenerator(GeneratorSpec):
    """Residual blocks of grouped convolutions, without norms (Huang et al. 2024, arXiv:2501.05441).

    The defaults are the paper's for CIFAR-10: 64 → 768×4×4 → 768×8×8 → 768×16×16 → 768×32×32 →
    3×32×32, 20,732,160 parameters; 20,781,952 with labels of 10 classes. Images have no
    bounds.
    """

    use: ClassVar[str] = "r3gan"

    channels: Channels = [768, 768, 768, 768]  # noqa: RUF012
    """Channels of each stage, first to last. Every stage after the first is twice as large as the \
one before; the first is the image divided by all doublings."""
    blocks: Blocks = 2
    """Residual blocks of a stage."""
    expansion: PositiveInt = 2
    """How many times as wide a block is inside."""
    group_size: PositiveInt = 16
    """Channels of a group in the 3×3 convolutions."""
    labels: Literal["none", "embedding"] = "none"
    """How it is told which class to make: not at all, or by a learned vector after the latent."""
    embedding_size: Width = 64
    """Numbers of a class's vector."""

    @property
    def uses_labels(self) -> bool:  # type: ignore[override]
        """Whether the network is called as ``generator(latent, labels)``."""
        return self.labels != "none"

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, Z]``, and classes ``[N]``, to ``[N, C, H, W]``.

        Raises:
            GanzooError: if height or width cannot be reached by doubling, widths are no multiple
                of a group, or classes are missing.
        """
        refuse_unlabelled(self, self.labels, image)
        start = first_map(self, image)
        from ganzoo_r3gan.networks import Generator

        return Generator(self, latent_size, image, start)


class R3ganDiscriminator(DiscriminatorSpec):
    """The generator's mirror image (Huang et al. 2024, arXiv:2501.05441).

    The defaults are the paper's for CIFAR-10, 20,683,776 parameters; 21,280,512 with labels of 10
    classes.
    """

    use: ClassVar[str] = "r3gan"

    channels: Channels = [768, 768, 768, 768]  # noqa: RUF012
    """Channels of each stage, first to last. Every stage after the first is half as large as the \
one before."""
    blocks: Blocks = 2
    """Residual blocks of a stage."""
    expansion: PositiveInt = 2
    """How many times as wide a block is inside."""
    group_size: PositiveInt = 16
    """Channels of a group in the 3×3 convolutions."""
    labels: Literal["none", "projection"] = "none"
    """How it is told which class an image is to be of: not at all, or by a learned vector of each \
class, times that of the image."""

    @property
    def uses_labels(self) -> bool:  # type: ignore[override]
        """Whether the network is called as ``discriminator(images, labels)``."""
        return self.labels != "none"

    def build(self, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, C, H, W]``, and classes ``[N]``, to logits ``[N]``.

        Raises:
            GanzooError: if height or width cannot be halved so often, widths are no multiple of a
                group, or classes are missing.
        """
        refuse_unlabelled(self, self.labels, image)
        last = first_map(self, image)
        from ganzoo_r3gan.networks import Discriminator

        return Discriminator(self, image, last)


def first_map(spec: R3ganGenerator | R3ganDiscriminator, image: ImageShape) -> tuple[int, int]:
    """Return height and width of the smallest map.

    Raises:
        GanzooError: if there is none, or a width is no multiple of a group.
    """
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
