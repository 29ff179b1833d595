"""MNIST and its format: the right bytes, or one error that names the file."""

from __future__ import annotations

import gzip
import hashlib
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from local_server import LocalServer, cut, page, whole
from PIL import Image
from resident import assert_facts, images_of, labels_of

from ganzoo.api import DataError, DataRoot, FetchError, Split
from ganzoo_datasets import mnist
from ganzoo_datasets.idx import read
from ganzoo_datasets.mnist import Checked, FashionMnist, IdxDataset, Mnist

IMAGES = bytes.fromhex("00000803 00000005 0000001c 0000001c") + random.Random(0).randbytes(5 * 784)
LABELS = bytes.fromhex("00000801 00000005") + bytes([3, 1, 4, 1, 9])
NAMES = {"train-images-idx3-ubyte": IMAGES, "train-labels-idx1-ubyte": LABELS}
PACKED = {f"{name}.gz": gzip.compress(raw, mtime=0) for name, raw in NAMES.items()}


class Five(IdxDataset):
    """Five images in MNIST's format."""

    use: ClassVar[str] = "five"
    folder: ClassVar[str] = "Five"
    mirrors: ClassVar[tuple[str, ...]] = ("https://nowhere.invalid/",)
    files: ClassVar[dict[str, Checked]] = {
        f"{name}.gz": Checked(
            hashlib.md5(PACKED[f"{name}.gz"]).hexdigest(),
            len(PACKED[f"{name}.gz"]),
            hashlib.sha256(raw).hexdigest(),
        )
        for name, raw in NAMES.items()
    }


@pytest.fixture(autouse=True)
def five_images(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "real_data" not in request.fixturenames:
        monkeypatch.setitem(mnist.COUNTS, "train", 5)


@pytest.fixture
def five(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Five:
    for name, content in PACKED.items():
        server.url(f"/{name}", whole(content))
    monkeypatch.setattr(Five, "mirrors", (f"http://127.0.0.1:{server.server_port}/",))
    return Five()


def lay(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("folder", ["Five/raw", "Five", "raw", "."])
@pytest.mark.parametrize("files", [NAMES, PACKED], ids=["plain", "gzipped"])
def test_files_are_found_where_others_put_them(
    tmp_path: Path, folder: str, files: dict[str, bytes]
) -> None:
    lay(tmp_path / folder, files)

    data = Five().build(DataRoot(tmp_path, download=False))

    assert images_of(data).shape == (5, 1, 28, 28)
    assert images_of(data).dtype == torch.uint8
    assert images_of(data).numpy().tobytes() == IMAGES[16:]
    assert labels_of(data).tolist() == [3, 1, 4, 1, 9]
    assert labels_of(data).dtype == torch.int64
    assert str(tmp_path / folder) in data.source
    assert data.notes == ()


def test_the_fingerprint_is_of_the_content_and_not_of_the_container(tmp_path: Path) -> None:
    lay(tmp_path / "a", NAMES)
    lay(tmp_path / "b", PACKED)

    first = Five().build(DataRoot(tmp_path / "a"))
    second = Five().build(DataRoot(tmp_path / "b"))

    assert first.fingerprint == second.fingerprint
    assert len(bytes.fromhex(first.fingerprint)) == 32


def test_what_is_missing_is_downloaded_once(
    five: Five, server: LocalServer, tmp_path: Path
) -> None:
    first = five.build(DataRoot(tmp_path))
    second = five.build(DataRoot(tmp_path))

    assert torch.equal(images_of(first), images_of(second))
    assert sorted(path for path, _ in server.requests) == sorted(f"/{name}" for name in PACKED)
    assert sorted(path.name for path in (tmp_path / "Five/raw").iterdir()) == sorted(PACKED)


@pytest.mark.parametrize("folder", ["Five/raw", "."])
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "page"])
def test_a_damaged_file_is_replaced_by_a_download_and_noted(
    five: Five, tmp_path: Path, folder: str, damage: str
) -> None:
    broken = {
        "cut": IMAGES[:-1],
        "flipped": IMAGES[:1000] + bytes([IMAGES[1000] ^ 4]) + IMAGES[1001:],
        "empty": b"",
        "page": b"<html>",
    }[damage]
    lay(tmp_path / folder, {**NAMES, "train-images-idx3-ubyte": broken})

    data = five.build(DataRoot(tmp_path))
    again = five.build(DataRoot(tmp_path, download=False))

    assert images_of(data).numpy().tobytes() == images_of(again).numpy().tobytes() == IMAGES[16:]
    assert [note.partition("'")[0] for note in data.notes] == ["replaced by a download: "]
    assert f"'{tmp_path / folder / 'train-images-idx3-ubyte'}'" in data.notes[0]


def test_offline_a_damaged_file_is_named_with_its_fault(tmp_path: Path) -> None:
    lay(tmp_path / "Five/raw", {**NAMES, "train-labels-idx1-ubyte": LABELS[:-2]})

    with pytest.raises(FetchError) as error:
        Five().build(DataRoot(tmp_path, download=False))

    assert "downloading is switched off" in str(error.value)
    assert "train-labels-idx1-ubyte': truncated: 3 of 5 values" in str(error.value)


def test_a_wrong_download_is_never_used(five: Five, server: LocalServer, tmp_path: Path) -> None:
    server.url("/train-images-idx3-ubyte.gz", page)
    with pytest.raises(FetchError, match=r"(?s)five: .*web page"):
        five.build(DataRoot(tmp_path))

    server.url("/train-images-idx3-ubyte.gz", whole(gzip.compress(IMAGES[:-1])))
    with pytest.raises(FetchError, match=r"(?s)five: .*not the right file"):
        five.build(DataRoot(tmp_path))

    server.url("/train-images-idx3-ubyte.gz", cut(PACKED["train-images-idx3-ubyte.gz"], 500))
    with pytest.raises(FetchError, match=r"(?s)five: .*broke off after 500 of"):
        five.build(DataRoot(tmp_path))


def gz(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


BROKEN = {
    "empty": (b"", "the file is empty"),
    "magic": (b"\0\0\x0d\x03" + IMAGES[4:], "starts with 0x00000d03, not 0x00000803"),
    "labels": (LABELS, "starts with 0x00000801, not 0x00000803"),
    "text": (b"hello, world, this is no data", "starts with 0x68656c6c"),
    "page": (b"<!DOCTYPE html>", "a web page, not the data"),
    "header": (IMAGES[:9], "ends within its header"),
    "truncated": (IMAGES[:-1], "truncated: 3919 of 5×28×28 values"),
    "longer": (IMAGES + b"\0", "has more than its 5×28×28 values"),
    "nothing": (IMAGES[:4] + bytes(4) + IMAGES[8:16], "is empty: its header says 0×28×28"),
    "claims": (IMAGES[:4] + b"\xff" * 12, "its header claims 4294967295×4294967295×4294967295"),
    "much": (IMAGES[:4] + b"\0\x40" + IMAGES[6:], "truncated: 3920 of 4194309×28×28 values"),
}
BROKEN_GZ = {
    "empty.gz": (b"", "the file is empty"),
    "plain.gz": (IMAGES, "Not a gzipped file"),
    "page.gz": (b"<html>no</html>", "Not a gzipped file"),
    "cut.gz": (gz(IMAGES)[:-30], "the gzip stream is truncated"),
    "endless.gz": (gz(IMAGES)[:-4], "the gzip stream is truncated"),
    "checksum.gz": (gz(IMAGES)[:-8] + b"abcd" + gz(IMAGES)[-4:], "CRC check failed"),
    "stream.gz": (gz(IMAGES)[:10] + b"\xff" * 100, "the gzip stream is damaged"),
    "junk.gz": (gz(IMAGES) + b"junk", "Not a gzipped file"),
    "bomb.gz": (gz(IMAGES + bytes(100_000_000)), "has more than its 5×28×28 values"),
    "holds_page.gz": (gz(b"<html>"), "a web page, not the data"),
    "truncated.gz": (gz(IMAGES[:-1]), "truncated: 3919 of 5×28×28 values"),
}


@pytest.mark.parametrize("name", [*BROKEN, *BROKEN_GZ])
def test_a_broken_file_is_one_error_that_names_it(tmp_path: Path, name: str) -> None:
    content, reason = {**BROKEN, **BROKEN_GZ}[name]
    (tmp_path / name).write_bytes(content)

    with pytest.raises(DataError) as error:
        read(tmp_path / name, 3)

    assert str(error.value).startswith(f"'{tmp_path / name}': {reason}")
    assert str(error.value).endswith("; fetch it again")


def test_no_mutation_of_a_file_ends_in_another_kind_of_error(tmp_path: Path) -> None:
    chance = random.Random(1)
    path = tmp_path / "file.gz"
    sound = gz(IMAGES)
    refused = 0
    for _ in range(600):
        content = bytearray(sound)
        for _ in range(chance.choice([1, 2, 8])):
            content[chance.randrange(min(len(content), chance.choice([20, 4000])))] ^= (
                1 << chance.randrange(8)
            )
        path.write_bytes(content[: chance.choice([len(content), chance.randrange(len(content))])])
        try:
            assert read(path, 3).values == IMAGES[16:]
        except DataError:
            refused += 1

    assert refused > 400


def test_counts_that_differ_are_refused(tmp_path: Path) -> None:
    lay(tmp_path, {**NAMES, "train-labels-idx1-ubyte": LABELS[:4] + b"\0\0\0\4" + LABELS[8:12]})

    with pytest.raises(DataError, match=r"holds \(4,\), not \(5,\)"):
        Five().build(DataRoot(tmp_path, download=False))


def test_labels_beyond_the_classes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Five, "files", {name: Checked("") for name in PACKED})
    lay(tmp_path, {**NAMES, "train-labels-idx1-ubyte": LABELS[:-1] + b"\x0a"})

    with pytest.raises(DataError, match=r"labels-idx1-ubyte': a label is 10, but five has 10"):
        Five().build(DataRoot(tmp_path, download=False))


def test_clothes_are_not_taken_from_a_folder_of_digits(tmp_path: Path) -> None:
    lay(tmp_path, NAMES)
    lay(tmp_path / "MNIST/raw", NAMES)

    with pytest.raises(FetchError, match=r"fashion_mnist: .*is not there"):
        FashionMnist().build(DataRoot(tmp_path, download=False))


@pytest.mark.parametrize("split", ["train", "test"])
def test_mnist_is_what_the_files_say(real_data: Path, split: Split) -> None:
    data = Mnist().build(DataRoot(real_data, download=False), split)

    prefix, count = {"train": ("train", 60_000), "test": ("t10k", 10_000)}[split]
    raw = (real_data / f"MNIST/raw/{prefix}-images-idx3-ubyte").read_bytes()
    names = (real_data / f"MNIST/raw/{prefix}-labels-idx1-ubyte").read_bytes()
    assert images_of(data).shape == (count, 1, 28, 28)
    assert images_of(data).numpy().tobytes() == raw[16:]
    assert bytes(labels_of(data).tolist()) == names[8:]
    assert data.classes == tuple("0123456789")


def test_one_flipped_bit_in_mnist_is_seen(real_data: Path, tmp_path: Path) -> None:
    raw = tmp_path / "MNIST/raw"
    shutil.copytree(real_data / "MNIST/raw", raw, ignore=shutil.ignore_patterns("train-*"))
    path = raw / "t10k-images-idx3-ubyte"
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[5_000_000] ^= 1
    path.write_bytes(content)

    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte': its content is not mn"):
        Mnist().build(DataRoot(tmp_path, download=False), "test")


def test_reading_the_specs_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'PIL', 'sklearn', 'numpy', 'urllib.request'}"
    program = f"import sys, ganzoo_datasets; print({heavy} & set(sys.modules))"

    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert said.stdout == "set()\n"


def test_images_of_another_size_are_resized_as_pillow_does_and_told_apart(tmp_path: Path) -> None:
    lay(tmp_path / "Five/raw", NAMES)
    root = DataRoot(tmp_path, download=False)

    plain, large = Five().build(root), Five(size=32).build(root)

    picture = Image.fromarray(images_of(plain)[3, 0].numpy())
    wanted = np.asarray(picture.resize((32, 32), Image.Resampling.BILINEAR))
    assert images_of(large).shape == (5, 1, 32, 32)
    assert np.array_equal(images_of(large)[3, 0].numpy(), wanted)
    assert plain.fingerprint != large.fingerprint
    assert plain.fingerprint == Five(size=28).build(root).fingerprint


def test_some_classes_are_numbered_in_the_order_in_which_they_are_named(tmp_path: Path) -> None:
    lay(tmp_path / "Five/raw", NAMES)
    root = DataRoot(tmp_path, download=False)

    whole, some = Five().build(root), Five(classes=[4, 1]).build(root)

    assert torch.equal(images_of(some), images_of(whole)[[1, 2, 3]])
    assert labels_of(some).tolist() == [1, 0, 1]
    assert some.classes == ("4", "1")
    assert some.fingerprint != whole.fingerprint
    with pytest.raises(ValueError, match="names a class twice"):
        Five(classes=[1, 1])


@pytest.mark.parametrize(
    "fields", [{}, {"size": 9}, {"classes": [4, 1]}, {"size": 30, "classes": [1]}]
)
def test_what_is_told_without_torch_is_what_is_built(
    tmp_path: Path, fields: dict[str, object]
) -> None:
    lay(tmp_path, NAMES)
    (tmp_path / "Five").mkdir()
    (tmp_path / "Five" / "train-labels-idx1-ubyte").write_bytes(b"broken")

    found = assert_facts(Five(**fields), DataRoot(tmp_path, download=False), "train")

    assert len(found.notes) == 1
