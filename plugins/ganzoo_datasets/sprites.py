"""The sprites of 'Dive into Deep Learning', section 'Deep Convolutional GANs'."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import DataRoot, ImageData, Split, fetch
from ganzoo_datasets.archives import ZipStore
from ganzoo_datasets.image_dataset import PictureDataset, Size


class Sprites(PictureDataset):
    """Pokémon sprites, 40,597 small pictures of 721 species from pokemondb.net.

    The archive of Zhang et al., 'Dive into Deep Learning', chapter 'Generative Adversarial
    Networks'. Read in place from the zip. The book drops transparency; here, images are put on the
    background.
    """

    use: ClassVar[str] = "sprites"
    urls: ClassVar[tuple[str, ...]] = (
        "https://d2l-data.s3-accelerate.amazonaws.com/pokemon.zip",
        "http://data.mxnet.io/data/pokemon.zip",
    )
    sha1: ClassVar[str] = "c065c0e2593b8b161a2d7873e42418bf6a21106c"

    size: Size = 64
    """Height and width in pixels: one number, or [height, width]."""

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:
        """Return ``[N, C, H, W]`` bytes, from 'sprites/pokemon.zip' or downloaded to there.

        Raises:
            DataError: if the archive cannot be had or has images that cannot be read.
        """
        target = root.path / "sprites" / "pokemon.zip"
        path = fetch(
            self.urls,
            target,
            root,
            sha1=self.sha1,
            # The book's own address has no https; the checksum makes up for it.
            http=True,
            remedies=[
                "ganzoo data get sprites    on a machine with internet access; then copy the file",
                'dataset.use = "folder"    any folder of images of your own',
            ],
        )
        return self.collect(ZipStore(path), split, root)
