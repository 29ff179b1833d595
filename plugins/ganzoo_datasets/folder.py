"""Any folder, or zip archive, of images."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from ganzoo.api import DataRoot, ImageData, Split
from ganzoo_datasets.archives import open_store
from ganzoo_datasets.image_dataset import PictureDataset


class Folder(PictureDataset):
    """Your own images: a folder or a .zip, flat or with one sub-folder per class.

    All images are looked at before training. Changes of colour, depth, orientation and size are
    noted with the run; which Pillow decodes, PNG, JPEG, WEBP, BMP and GIF.
    """

    use: ClassVar[str] = "folder"

    path: Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]+$")]
    """Folder or .zip, from the data folder on; or from '/' on."""

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:
        """Return ``[N, C, H, W]`` bytes, or a source of images where they exceed 2 GiB.

        Raises:
            DataError: if there are no images or some cannot be read.
        """
        return self.collect(open_store(root.path / self.path), split, root.progress)
