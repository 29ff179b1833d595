"""CIFAR-10 from the binary archive, read in place: no pickle, nothing unpacked."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path
from typing import ClassVar

from ganzoo.api import DataError, DataRoot, DatasetSpec, ImageData, Split, fetch, fingerprint

SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32
"""Bytes of a label and its image: red, green, blue planes."""
FOLDER = "cifar-10-batches-bin"
BATCHES: dict[Split, tuple[str, ...]] = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}
AGAIN = "remove it to download it again"


class Cifar10(DatasetSpec):
    """Photographs of ten classes of animals and vehicles, 32×32 in colour.

    Krizhevsky 2009, 'Learning Multiple Layers of Features from Tiny Images'. Only the 'binary
    version' is read, from 'cifar-10-binary.tar.gz' or unpacked in 'cifar-10-batches-bin'. The
    'python version', which torchvision uses, consists of pickles, which can execute code.
    """

    use: ClassVar[str] = "cifar10"
    urls: ClassVar[tuple[str, ...]] = (
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
    )
    md5: ClassVar[str] = "c32a1d4ab5d03f1284b67883e8d87530"
    per_batch: ClassVar[int] = 10_000
    classes: ClassVar[tuple[str, ...]] = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:
        """Return ``[50000, 3, 32, 32]`` images to train on or ``[10000, 3, 32, 32]`` to test.

        Raises:
            DataError: if the archive cannot be had or is not as it should be.
        """
        import torch

        size = self.per_batch * RECORD
        unpacked = self._unpacked(root.path)
        path = unpacked or self._archive(root)
        read = _from_folder if unpacked else _from_archive
        batches = read(path, BATCHES[split], size)
        records = bytearray().join(batches)
        table = torch.frombuffer(records, dtype=torch.uint8).view(-1, RECORD)
        labels = table[:, 0].long()
        if (highest := int(labels.max())) >= len(self.classes):
            raise DataError(f"'{path}': a label is {highest}, but there are 10 classes; {AGAIN}")
        return ImageData(
            images=table[:, 1:].reshape(-1, *SHAPE),
            labels=labels,
            classes=self.classes,
            source=str(path),
            fingerprint=fingerprint("cifar10", records),
        )

    def _unpacked(self, root: Path) -> Path | None:
        places = (root / FOLDER, root / "CIFAR10" / FOLDER)
        names = [*BATCHES["train"], *BATCHES["test"]]
        whole = (place for place in places if all((place / name).is_file() for name in names))
        return next(whole, None)

    def _archive(self, root: DataRoot) -> Path:
        name = "cifar-10-binary.tar.gz"
        loose = root.path / name
        return fetch(
            self.urls,
            loose if loose.is_file() else root.path / "CIFAR10" / name,
            root,
            md5=self.md5,
            remedies=[
                "ganzoo data get cifar10    on a machine with internet access; then copy the file",
                "--data DIR or GANZOO_DATA=DIR    a folder with cifar-10-binary.tar.gz in it",
            ],
        )


def _from_folder(folder: Path, names: tuple[str, ...], size: int) -> list[bytes]:
    found = []
    for name in names:
        try:
            with (folder / name).open("rb") as file:
                content = file.read(size + 1)
        except OSError as error:
            raise DataError(f"'{folder / name}': {error.strerror}; make it readable") from error
        if len(content) != size:
            raise DataError(f"'{folder / name}': not {size} bytes long; {AGAIN}")
        found.append(content)
    return found


def _from_archive(path: Path, names: tuple[str, ...], size: int) -> list[bytes]:
    """Return the members in the order of ``names``; others are passed by unread."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                folder, _, name = member.name.removeprefix("./").rpartition("/")
                if folder != FOLDER or name not in names or name in found:
                    continue
                if not member.isreg() or member.size != size:
                    raise DataError(f"'{path}': '{name}' is not a file of {size} bytes; {AGAIN}")
                content = archive.extractfile(member)
                assert content is not None  # which it is for links and folders only
                found[name] = content.read(size)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"'{path}': {error}; {AGAIN}") from error
    missing = [name for name in names if len(found.get(name, b"")) != size]
    if missing:
        raise DataError(f"'{path}': without {', '.join(missing)}; {AGAIN}")
    return [found[name] for name in names]
