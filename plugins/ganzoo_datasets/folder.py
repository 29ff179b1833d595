"""Any folder, or archive, of images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from ganzoo.api import DataError, DataRoot, ImageData, Look, Split
from ganzoo_datasets.archives import ARRAYS, Store, open_store
from ganzoo_datasets.image_dataset import PictureDataset


class Folder(PictureDataset):
    """Your own images: a folder, a zip or tar, or a .npy; one sub-folder per class, or flat.

    PNG, JPEG, WebP, AVIF, TIFF, PPM, BMP, GIF, NumPy's arrays and archives of them. All images are
    checked before training; changes to them are reported and recorded with the run.
    """

    use: ClassVar[str] = "folder"

    path: Annotated[
        str,
        Field(examples=["photos"], min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]+$"),
    ]
    """Folder or archive, looked for in the data folder, then in the working folder; or a path \
that starts with '~' or '/'."""

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:
        """Return ``[N, C, H, W]`` bytes, more than 256 MiB of them in the user's cache.

        Where there is no room for that, more than 2 GiB are a source that decodes each when asked.

        Raises:
            DataError: if there are no images or some cannot be read.
        """
        return self.collect(self.store(root.path), split, root)

    def look(self, root: DataRoot, *, pictures: int = 0) -> Look:
        """Return what lies there: headers of all images, pixels of at most 64.

        Raises:
            DataError: if there are no images.
        """
        from ganzoo_datasets.look import look

        return look(self.store(root.path), self.frame, pictures, root.progress)

    def store(self, data: Path) -> Store:
        """Return where the images lie; what is in the data folder comes first.

        Raises:
            DataError: if there is nothing.
        """
        path = located(self.path, data)
        if path.suffix.lower() in ARRAYS and path.is_file():
            from ganzoo_datasets.arrays import OneFile

            return OneFile(path)
        return open_store(path)


def located(written: str, data: Path) -> Path:
    """Return the place that ``written`` means; what is in the data folder comes first.

    Raises:
        DataError: if a path that is not absolute leads nowhere; says where such paths start.
    """
    try:
        path = Path(written).expanduser()
    except RuntimeError as error:
        raise DataError(f"'{written}': {error}; write the path from '/' on") from error
    if path.is_absolute():
        return path
    here = Path.cwd()
    for start in (data, here):
        if os.path.exists(start / path):  # unlike Path.exists, of names too long as well
            return start / path
    raise DataError(
        f"'{written}' is neither in the data folder '{data}' nor in the working folder '{here}'; "
        "name a folder of images or a .zip of them, relative to either or starting with '~' or '/'"
    )
