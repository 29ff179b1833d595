"""Ten folders of pictures as people have them, each small: what ``--from-folder`` must manage."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Chance = np.random.Generator
Maker = Callable[[Path, Chance], Path]


def blob(chance: Chance, height: int, width: int) -> np.ndarray[Any, Any]:
    """Return a disc on a ground, ``[H, W, 3]``, both of colours of their own."""
    rows, columns = np.mgrid[:height, :width]
    centre = chance.uniform(0.3, 0.7, 2) * (height, width)
    inside = np.hypot(rows - centre[0], columns - centre[1]) < 0.3 * min(height, width)
    ground, disc = chance.integers(0, 256, (2, 3))
    return np.where(inside[..., None], disc, ground).astype(np.uint8)


def picture(chance: Chance, height: int, width: int) -> Image.Image:
    """Return the same as a picture."""
    return Image.fromarray(blob(chance, height, width))


def mixed_jpeg(folder: Path, chance: Chance) -> Path:
    """200 JPEG of mixed sizes, one of them truncated."""
    for at in range(200):
        height, width = chance.integers(20, 40, 2)
        picture(chance, height, width).save(folder / f"{at:03d}.jpg")
    whole = (folder / "007.jpg").read_bytes()
    (folder / "007.jpg").write_bytes(whole[: len(whole) // 2])
    return folder


def four_classes(folder: Path, chance: Chance) -> Path:
    """40 in four classes."""
    for name in ("ash", "birch", "elm", "oak"):
        (folder / name).mkdir()
        for at in range(10):
            picture(chance, 32, 32).save(folder / name / f"{at}.png")
    return folder


def transparent(folder: Path, chance: Chance) -> Path:
    """PNG with transparent pixels."""
    for at in range(40):
        image = picture(chance, 24, 24)
        image.putalpha(Image.fromarray(blob(chance, 24, 24)[..., 0]))
        image.save(folder / f"{at}.png")
    return folder


def x_rays(folder: Path, chance: Chance) -> Path:
    """PNG of 16 bits of which 12 are used."""
    for at in range(40):
        values = blob(chance, 32, 32)[..., 0].astype(np.uint16) * 16
        Image.fromarray(values).save(folder / f"{at}.png")
    return folder


def wide(folder: Path, chance: Chance) -> Path:
    """50 high and 150 wide."""
    for at in range(40):
        picture(chance, 50, 150).save(folder / f"{at}.png")
    return folder


def one_of_a_class(folder: Path, chance: Chance) -> Path:
    """Two classes, one of them of a single picture."""
    for name, count in (("many", 20), ("one", 1)):
        (folder / name).mkdir()
        for at in range(count):
            picture(chance, 24, 24).save(folder / name / f"{at}.png")
    return folder


def tiff_and_avif(folder: Path, chance: Chance) -> Path:
    """TIFF and, where Pillow has it, AVIF."""
    for at in range(40):
        picture(chance, 24, 24).save(folder / f"{at}.{'avif' if at % 2 else 'tif'}")
    return folder


def duplicates(folder: Path, chance: Chance) -> Path:
    """Each picture twice."""
    for at in range(20):
        image = picture(chance, 24, 24)
        image.save(folder / f"{at}.png")
        image.save(folder / f"copy of {at}.png")
    return folder


def five_channels(folder: Path, chance: Chance) -> Path:
    """Arrays of five channels, floats."""
    for at in range(40):
        planes = [blob(chance, 24, 24)[..., 0] / 255 for _ in range(5)]
        np.save(folder / f"{at}.npy", np.stack(planes).astype(np.float32))
    return folder


def zip_of_zip(folder: Path, chance: Chance) -> Path:
    """A zip in a zip."""
    inner = BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        for at in range(40):
            buffer = BytesIO()
            picture(chance, 24, 24).save(buffer, "PNG")
            archive.writestr(f"photos/{at}.png", buffer.getvalue())
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("photos.zip", inner.getvalue())
    return folder / "all.zip"


EXPECTED: dict[Maker, tuple[tuple[str, ...], tuple[str, ...]]] = {
    mixed_jpeg: (("1 cannot be read", "other sizes"), ("1 of 200 images cannot be read",)),
    four_classes: (("4 classes", "40 images: the generator can only memorize"), ()),
    transparent: (("colour with transparent pixels",), ("with alpha, composited",)),
    x_rays: (("bits: 16",), ("measured over all 40",)),
    wide: (("50×150 (40)",), ()),
    one_of_a_class: (("'one' with 1 image", "fewer than 10 images"), ()),
    tiff_and_avif: (("20 AVIF", "20 TIFF"), ()),
    duplicates: (("20 images are duplicates",), ()),
    five_channels: (("5 channels",), ("read as axes CHW",)),
    zip_of_zip: (("read from nested archives: 1",), ("read from nested archives: 1",)),
}
"""What the look, and what the run has to say of each."""
