"""Images that come with the package: one sheet of 12 by 10 tiles."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import ClassVar

from ganzoo.api import DataError, DataRoot, DatasetSpec, ImageData, Split

SIDE = 16
COLUMNS = 12
TRAIN = 96
CLASSES = ("disc", "square", "triangle")


class DrawnShapes(DatasetSpec):
    """Discs, squares and triangles, 16×16, grey: 96 to train on and 24 to test on.

    Tile number n of the sheet is of class n mod 3.
    """

    use: ClassVar[str] = "drawn_shapes"

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:  # noqa: ARG002
        """Return ``[N, 1, 16, 16]`` bytes from the sheet inside of the package.

        Raises:
            DataError: if the sheet is not in the package.
        """
        import numpy as np
        import torch
        from PIL import Image

        sheet = resources.files("ganzoo_example_dataset") / "shapes.png"
        try:
            with sheet.open("rb") as file, Image.open(file) as image:
                pixels = np.asarray(image.convert("L"))
        except OSError as error:
            raise DataError(
                f"'{sheet}' cannot be read ({error}); install the package again"
            ) from error
        rows = pixels.shape[0] // SIDE
        tiles = (
            pixels.reshape(rows, SIDE, COLUMNS, SIDE).transpose(0, 2, 1, 3).reshape(-1, SIDE, SIDE)
        )
        chosen = slice(TRAIN) if split == "train" else slice(TRAIN, None)
        images = torch.from_numpy(tiles[chosen].copy())[:, None]
        labels = torch.arange(len(tiles))[chosen] % len(CLASSES)
        fingerprint = hashlib.sha256(images.numpy().tobytes()).hexdigest()
        return ImageData(images, labels, CLASSES, str(sheet), fingerprint)
