"""MNIST and datasets in its format, in torchvision's folders."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, field_validator

from ganzoo.api import (
    DataError,
    DataRoot,
    DatasetSpec,
    Facts,
    FetchError,
    ImageData,
    ImageShape,
    Split,
    fetch,
    fingerprint,
)
from ganzoo_datasets.idx import Idx, read

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 28
COUNTS: dict[Split, int] = {"train": 60_000, "test": 10_000}
PREFIXES: dict[Split, str] = {"train": "train", "test": "t10k"}
TEN = tuple("0123456789")


@dataclass(frozen=True)
class Checked:
    """One file of a dataset, and what identifies it.

    Attributes:
        md5: of the gzipped file, as published.
        size: of the gzipped file, in bytes; None where it is not published.
        sha256: of the unpacked file, in whatever container it lies; None where it is not known.
    """

    md5: str
    size: int | None = None
    sha256: str | None = None


def tensor_of(array: Idx) -> Tensor:
    """Return the array as uint8 of its shape, in its own memory: nothing is copied."""
    import torch

    return torch.frombuffer(array.values, dtype=torch.uint8).view(array.shape)


def of_classes(images: Tensor, labels: Tensor, only: list[int]) -> tuple[Tensor, Tensor]:
    """Return the images of some classes, and their labels as places in ``only``."""
    import torch

    places = torch.full((len(TEN),), -1)
    places[torch.tensor(only)] = torch.arange(len(only))
    found = places[labels]
    kept = found >= 0
    return images[kept], found[kept]


def resized(images: Tensor, side: int) -> Tensor:
    """Return uint8 ``[N, H, W]`` images as ``[N, side, side]``."""
    import torch
    from PIL import Image

    found = torch.empty(len(images), side, side, dtype=torch.uint8)
    for image, place in zip(images.numpy(), found.numpy(), strict=True):
        picture = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
        place[...] = picture
    return found


class IdxDataset(DatasetSpec):
    """Images of 28×28 grey pixels in ten classes, in four IDX files."""

    size: Annotated[int, Field(ge=4, le=512)] = SIDE
    """Height and width in pixels; sizes other than 28 use Pillow's bilinear filter, antialiased."""
    classes: (
        Annotated[list[Annotated[int, Field(ge=0, le=9)]], Field(min_length=1, max_length=10)]
        | None
    ) = None
    """Classes to use, by number from 0, renumbered in this order; by default all."""

    @field_validator("classes")
    @classmethod
    def _each_once(cls, numbers: list[int] | None) -> list[int] | None:
        if numbers is not None and len(set(numbers)) != len(numbers):
            raise ValueError("names a class twice")
        return numbers

    folder: ClassVar[str]
    mirrors: ClassVar[tuple[str, ...]]
    files: ClassVar[dict[str, Checked]]
    class_names: ClassVar[tuple[str, ...]] = TEN
    loose: ClassVar[bool] = True
    """Whether files that lie in the data folder itself are taken for this dataset's."""

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:
        """Return ``[60000, 1, S, S]`` images to train on or ``[10000, 1, S, S]`` to test.

        With 'classes', those of the named classes, which are then numbered in that order.
        Looked for as 'FOLDER/raw/NAME', 'FOLDER/NAME', 'raw/NAME' and 'NAME', each plain or
        gzipped; downloaded into 'FOLDER/raw' where none of them is sound.

        Raises:
            DataError: naming the files and what is wrong with them.
        """
        images, labels, notes = self.arrays(root, split)
        pixels, numbers = tensor_of(images), tensor_of(labels).long()
        if self.classes:
            pixels, numbers = of_classes(pixels, numbers, self.classes)
        if self.size != SIDE:
            pixels = resized(pixels, self.size)
        return ImageData(
            images=pixels.unsqueeze(1),  # [N, 1, S, S]
            labels=numbers,
            classes=tuple(self.class_names[number] for number in self._chosen()),
            source=str(images.path),
            fingerprint=self._fingerprint(images, labels),
            notes=notes,
        )

    def facts(self, root: DataRoot, split: Split = "train") -> Facts:
        """Return what the images are, of files that were checked or downloaded.

        Raises:
            DataError: naming the files and what is wrong with them.
        """
        images, labels, notes = self.arrays(root, split)
        chosen = self._chosen()
        return Facts(
            images=sum(labels.values.count(number) for number in chosen),
            shape=ImageShape(1, self.size, self.size),
            classes=len(chosen),
            source=str(images.path),
            fingerprint=self._fingerprint(images, labels),
            notes=notes,
        )

    def _chosen(self) -> Sequence[int]:
        return self.classes or range(len(self.class_names))

    def _fingerprint(self, images: Idx, labels: Idx) -> str:
        content = fingerprint("idx", *map(str, images.shape), images.values, labels.values)
        if self.classes:
            content = fingerprint(content, "classes", *map(str, self.classes))
        return content if self.size == SIDE else fingerprint(content, str(self.size))

    def arrays(self, root: DataRoot, split: Split) -> tuple[Idx, Idx, tuple[str, ...]]:
        """Return images ``[N, 28, 28]``, labels ``[N]`` and what a person should know of them."""
        prefix, count, notes = PREFIXES[split], COUNTS[split], list[str]()
        images = self._file(root, f"{prefix}-images-idx3-ubyte", (count, SIDE, SIDE), notes)
        labels = self._file(root, f"{prefix}-labels-idx1-ubyte", (count,), notes)
        if (highest := max(labels.values)) >= len(self.class_names):
            raise DataError(
                f"'{labels.path}': a label is {highest}, but {self.use} has "
                f"{len(self.class_names)} classes; remove the file to download it again"
            )
        return images, labels, tuple(notes)

    def _file(self, root: DataRoot, name: str, shape: tuple[int, ...], notes: list[str]) -> Idx:
        """Return the first sound file of that name, downloading it where there is none."""
        faults: list[str] = []
        for path in self._places(root.path, name):
            if path.is_file():
                try:
                    found = self._sound(path, name, shape)
                except DataError as error:
                    faults.append(str(error))
                else:
                    notes.extend(f"not used: {fault}" for fault in faults)
                    return found
        target = root.path / self.folder / "raw" / f"{name}.gz"
        known = self.files[f"{name}.gz"]
        try:
            fetch(
                [f"{mirror}{name}.gz" for mirror in self.mirrors],
                target,
                root,
                md5=known.md5,
                size=known.size,
                remedies=self._remedies(target.parent),
            )
        except FetchError as error:
            raise FetchError("\n".join([f"{self.use}: {error}", *faults])) from error
        notes.extend(f"replaced by a download: {fault}" for fault in faults)
        return self._sound(target, name, shape)

    def _places(self, root: Path, name: str) -> list[Path]:
        folders = [root / self.folder / "raw", root / self.folder]
        if self.loose:
            folders += [root / "raw", root]
        return [folder / file for folder in folders for file in (name, f"{name}.gz")]

    def _sound(self, path: Path, name: str, shape: tuple[int, ...]) -> Idx:
        """Read the file and check that it is this one.

        Raises:
            DataError: if it is broken or another.
        """
        known = self.files[f"{name}.gz"]
        again = "remove it to download it again"
        found = read(path, len(shape), again=again)
        if found.shape != shape:
            raise DataError(f"'{path}': holds {found.shape}, not {shape}; {again}")
        if known.sha256 is None:
            return found
        digest = hashlib.sha256(bytes((0, 0, 8, len(shape))))
        for size in shape:
            digest.update(size.to_bytes(4, "big"))
        digest.update(found.values)
        if digest.hexdigest() != known.sha256:
            raise DataError(f"'{path}': its content is not {self.use}; {again}")
        return found

    def _remedies(self, folder: Path) -> list[str]:
        return [
            f"ganzoo data get {self.use}    on a machine with internet access; then copy "
            f"'{folder}'",
            f"--data DIR or GANZOO_DATA=DIR    a folder with {self.folder}/raw in it",
            "--set dataset.use=digits    small digits that come with ganzoo, without a download",
        ]


class Mnist(IdxDataset):
    """Handwritten digits, 28×28 grey.

    LeCun, Cortes & Burges 1998. Every file is checked against the published content, so you never
    train on a damaged one.
    """

    use: ClassVar[str] = "mnist"
    folder: ClassVar[str] = "MNIST"
    mirrors: ClassVar[tuple[str, ...]] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    files: ClassVar[dict[str, Checked]] = {
        "train-images-idx3-ubyte.gz": Checked(
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            9_912_422,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        "train-labels-idx1-ubyte.gz": Checked(
            "d53e105ee54ea40749a09fcbcd1e9432",
            28_881,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        "t10k-images-idx3-ubyte.gz": Checked(
            "9fb629c4189551a2d022fa330f9573f3",
            1_648_877,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        "t10k-labels-idx1-ubyte.gz": Checked(
            "ec29112dd5afa0611ce80d1b7f02629c",
            4_542,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    }


class FashionMnist(IdxDataset):
    """Photographs of clothes, 28×28 grey.

    Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747. Downloads are checked against the published MD5s;
    for unpacked files, only sizes and headers are checked.
    """

    use: ClassVar[str] = "fashion_mnist"
    folder: ClassVar[str] = "FashionMNIST"
    mirrors: ClassVar[tuple[str, ...]] = (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
    )
    files: ClassVar[dict[str, Checked]] = {
        "train-images-idx3-ubyte.gz": Checked("8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        "train-labels-idx1-ubyte.gz": Checked("25c81989df183df01b3e8a0aad5dffbe"),
        "t10k-images-idx3-ubyte.gz": Checked("bef4ecab320f06d8554ea6380940ec79"),
        "t10k-labels-idx1-ubyte.gz": Checked("bb300cfdad3c16e7a12a480ee83cd310"),
    }
    class_names: ClassVar[tuple[str, ...]] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    # Its files bear MNIST's names: only a folder that says whose they are will do.
    loose: ClassVar[bool] = False
