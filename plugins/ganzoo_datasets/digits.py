"""Small handwritten digits that come with scikit-learn: real data without a download."""

from __future__ import annotations

import gzip
import importlib.util
import zlib
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ganzoo.api import (
    DataError,
    DataRoot,
    DatasetSpec,
    Facts,
    ImageData,
    ImageShape,
    Split,
    fingerprint,
)

COUNT = 1797
SIDE = 8
HIGHEST = 16
EVERY = 6
"""Every so manieth image is for testing."""
LIMIT = 1 << 20
"""Bytes at most, unpacked; the file has 264,712."""


class Digits(DatasetSpec):
    """1,797 handwritten digits of 8×8 pixels, enlarged; included, no download needed.

    Alpaydin & Kaynak 1998, the test part of the UCI 'Optical Recognition of Handwritten Digits',
    as scikit-learn ships it. Every sixth image (299) is for testing, the other 1,498 for training.
    """

    use: ClassVar[str] = "digits"

    size: Annotated[int, Field(ge=SIDE, le=512)] = 28
    """Height and width in pixels; 28 fits the networks of MNIST recipes."""
    enlarge: Literal["bilinear", "nearest"] = "bilinear"
    """Interpolation of pixels."""

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:  # noqa: ARG002
        """Return ``[1498, 1, S, S]`` images to train on or ``[299, 1, S, S]`` to test.

        Raises:
            DataError: if scikit-learn or its file is missing or broken.
        """
        import torch

        path = packaged()
        pixels, labels = self._bytes(path, split)
        return ImageData(
            images=torch.frombuffer(pixels, dtype=torch.uint8).view(-1, 1, self.size, self.size),
            labels=torch.frombuffer(labels, dtype=torch.uint8).long(),
            classes=tuple("0123456789"),
            source=str(path),
            fingerprint=self._fingerprint(pixels, labels),
        )

    def facts(self, root: DataRoot, split: Split = "train") -> Facts:  # noqa: ARG002
        """Return what the images are.

        Raises:
            DataError: if scikit-learn or its file is missing or broken.
        """
        path = packaged()
        pixels, labels = self._bytes(path, split)
        return Facts(
            images=len(labels),
            shape=ImageShape(1, self.size, self.size),
            classes=10,
            source=str(path),
            fingerprint=self._fingerprint(pixels, labels),
        )

    def _bytes(self, path: Path, split: Split) -> tuple[bytearray, bytearray]:
        """Return all pixels of a split, one image after the other, and all labels."""
        rows = [
            row
            for at, row in enumerate(read(path))
            if (at % EVERY == EVERY - 1) == (split == "test")
        ]
        pixels = bytearray().join(self._enlarged(bytes(row[:-1])) for row in rows)
        return pixels, bytearray(row[-1] for row in rows)

    def _fingerprint(self, pixels: bytearray, labels: bytearray) -> str:
        return fingerprint("digits", str(self.size), pixels, labels)

    def _enlarged(self, values: bytes) -> bytes:
        """Return ``[S · S]`` pixels in 0 … 255 from 64 values in 0 … 16."""
        from PIL import Image

        scaled = bytes(round(value * 255 / HIGHEST) for value in values)
        method = Image.Resampling.NEAREST
        if self.enlarge == "bilinear":
            method = Image.Resampling.BILINEAR
        small = Image.frombytes("L", (SIDE, SIDE), scaled)
        return small.resize((self.size, self.size), method).tobytes()


def packaged() -> Path:
    """Return scikit-learn's file without importing scikit-learn.

    Raises:
        DataError: if it is not installed.
    """
    found = importlib.util.find_spec("sklearn")
    for folder in (found and found.submodule_search_locations) or []:
        path = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            return path
    raise DataError(
        "digits: scikit-learn, which provides them, is not installed; pip install scikit-learn"
    )


def read(path: Path) -> list[list[int]]:
    """Return 1,797 rows of 64 pixels in 0 … 16 and a label in 0 … 9.

    Raises:
        DataError: for any other content.
    """
    again = "install scikit-learn again"
    try:
        with gzip.open(path) as file:
            text = file.read(LIMIT + 1)
        if len(text) > LIMIT:
            raise ValueError("far too long")
        rows = [[int(value) for value in line.split(b",")] for line in text.splitlines()]
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(f"'{path}': {error}; {again}") from error
    for row in rows:
        if len(row) != SIDE * SIDE + 1 or min(row) < 0 or max(row) > HIGHEST or row[-1] > 9:
            raise DataError(f"'{path}': a line is not 64 pixels and a label; {again}")
    if len(rows) != COUNT:
        raise DataError(f"'{path}': {len(rows)} images, not {COUNT}; {again}")
    return rows
