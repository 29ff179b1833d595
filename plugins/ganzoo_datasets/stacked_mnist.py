"""Three digits in one image: a thousand modes that can be counted."""

from __future__ import annotations

import hashlib
from typing import Annotated, ClassVar

from pydantic import Field, NonNegativeInt

from ganzoo.api import DataRoot, DatasetSpec, ImageData, Split, fingerprint
from ganzoo_datasets.mnist import Mnist, tensor_of

CHANNELS = 3


class StackedMnist(DatasetSpec):
    """Three MNIST digits, one as red, one as green, one as blue: 1,000 classes of 3×28×28.

    Metz et al. 2017, arXiv:1611.02163, section 3.3.1, but with a fixed set of images instead of new
    ones all the time, so that runs can be compared. Training images are stacked from MNIST's
    training digits, test images from its test digits. The class is 100 · red + 10 · green + blue.
    """

    use: ClassVar[str] = "stacked_mnist"
    judge: ClassVar[str | None] = "mnist"

    count: Annotated[int, Field(ge=1, le=900_000)] = 128_000
    """Number of images; each takes 2,352 bytes of memory."""
    seed: NonNegativeInt = 0
    """Seed of the stacks, independent of the run's seed, so all runs see the same data."""

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:
        """Return ``[count, 3, 28, 28]`` images.

        Raises:
            DataError: if MNIST cannot be had.
        """
        import torch

        images, labels, notes = Mnist().arrays(root, split)
        digits, classes = tensor_of(images), tensor_of(labels).long()
        chosen = torch.tensor(self.choice(split, len(digits))).view(self.count, CHANNELS)
        return ImageData(
            images=digits[chosen],
            labels=classes[chosen] @ torch.tensor([100, 10, 1]),
            classes=tuple(f"{number:03}" for number in range(1000)),
            source=str(images.path),
            fingerprint=fingerprint(
                self.use, str(self.count), str(self.seed), split, images.values, labels.values
            ),
            notes=notes,
        )

    def choice(self, split: Split, digits: int) -> list[int]:
        """Return ``[count · 3]`` indices below ``digits``, image after image.

        They come from a hash, not from a library's random generator, so that they stay the same
        for ever. 64 bits modulo 60,000 are uniform to 1 in 10¹⁴.
        """
        key = f"stacked_mnist:{self.seed}:{split}".encode()
        stream = hashlib.shake_256(key).digest(8 * self.count * CHANNELS)
        return [
            int.from_bytes(stream[at : at + 8], "little") % digits
            for at in range(0, len(stream), 8)
        ]
