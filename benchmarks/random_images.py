"""A dataset of random pixels: what a step costs does not depend on what is in the images."""

from __future__ import annotations

from typing import ClassVar

from pydantic import NonNegativeInt, PositiveInt

from ganzoo.api import DataRoot, DatasetSpec, ImageData, Split, hookimpl


class RandomImages(DatasetSpec):
    """Random bytes in the shape of a known dataset, for measurements of speed."""

    use: ClassVar[str] = "random_images"

    count: PositiveInt = 10_000
    """Images."""
    channels: PositiveInt = 1
    """Channels of an image."""
    size: PositiveInt = 28
    """Height and width in pixels."""
    classes: NonNegativeInt = 0
    """Classes that the images are said to be of, in turn; none by default."""
    input_channels: NonNegativeInt = 0
    """Channels of what is beside each image; nothing by default."""

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:  # noqa: ARG002
        """Return ``[count, C, S, S]`` bytes, the same every time."""
        import torch

        shape = (self.count, self.channels, self.size, self.size)
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        labels = torch.arange(self.count) % self.classes if self.classes else None
        names = tuple(map(str, range(self.classes)))
        told = f"random {shape} {self.classes}" if self.classes else f"random {shape}"
        if not self.input_channels:
            return ImageData(images, labels, names, "random pixels", told)
        sides = (self.count, self.input_channels, self.size, self.size)
        inputs = torch.randint(0, 256, sides, dtype=torch.uint8, generator=generator)
        told = f"{told} {self.input_channels}"
        return ImageData(images, labels, names, "random pixels", told, inputs=inputs)


@hookimpl
def ganzoo_datasets() -> list[type[DatasetSpec]]:
    """Supply 'random_images'."""
    return [RandomImages]
