"""CIFAR-10 and the sprites: downloaded, checked, read in place."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
import zipfile
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from local_server import Answer, LocalServer, cut, page, whole
from PIL import Image
from resident import images_of, labels_of

from ganzoo.api import DataError, DataRoot, FetchError
from ganzoo_datasets.cifar10 import BATCHES, FOLDER, RECORD, Cifar10
from ganzoo_datasets.sprites import Sprites

SIZE = 2 * RECORD
CHANCE = random.Random(5)
RECORDS = {
    name: b"".join(bytes([at % 10]) + CHANCE.randbytes(RECORD - 1) for at in range(2))
    for name in (*BATCHES["train"], *BATCHES["test"])
}


def tarred(files: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content) if kind == tarfile.REGTYPE else 0
            member.type = kind
            member.linkname = "/etc/passwd"
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


ARCHIVE = tarred({f"{FOLDER}/{name}": content for name, content in RECORDS.items()})


class SmallCifar10(Cifar10):
    """CIFAR-10 with two images in a batch."""

    use: ClassVar[str] = "small_cifar10"
    md5: ClassVar[str] = hashlib.md5(ARCHIVE).hexdigest()
    per_batch: ClassVar[int] = 2


@pytest.fixture
def cifar10(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> SmallCifar10:
    monkeypatch.setattr(SmallCifar10, "urls", (server.url("/cifar", whole(ARCHIVE)),))
    return SmallCifar10()


def test_cifar10_is_read_from_its_archive(cifar10: SmallCifar10, tmp_path: Path) -> None:
    train = cifar10.build(DataRoot(tmp_path))
    test = cifar10.build(DataRoot(tmp_path, download=False), "test")

    third_batch = RECORDS["data_batch_3.bin"]
    assert images_of(train).shape == (10, 3, 32, 32)
    assert images_of(train).dtype == torch.uint8
    assert train.images[5].numpy().tobytes() == third_batch[RECORD + 1 : 2 * RECORD]
    assert test.images[0].numpy().tobytes() == RECORDS["test_batch.bin"][1:RECORD]
    assert labels_of(train).tolist() == [0, 1] * 5
    assert train.classes[3] == "cat"
    assert [path.name for path in (tmp_path / "CIFAR10").iterdir()] == ["cifar-10-binary.tar.gz"]


@pytest.mark.parametrize("place", [FOLDER, f"CIFAR10/{FOLDER}"])
def test_an_unpacked_cifar10_is_the_same_data(
    cifar10: SmallCifar10, tmp_path: Path, place: str
) -> None:
    (tmp_path / place).mkdir(parents=True)
    for name, content in RECORDS.items():
        (tmp_path / place / name).write_bytes(content)
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "cifar-10-binary.tar.gz").write_bytes(ARCHIVE)

    unpacked = cifar10.build(DataRoot(tmp_path, download=False))
    packed = cifar10.build(DataRoot(tmp_path / "packed", download=False))

    assert torch.equal(images_of(unpacked), images_of(packed))
    assert unpacked.fingerprint == packed.fingerprint


@pytest.mark.parametrize("damage", [b"", b"x", RECORDS["test_batch.bin"] + b"x"])
def test_an_unpacked_batch_of_another_length_is_named(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / FOLDER).mkdir()
    for name, content in {**RECORDS, "test_batch.bin": damage}.items():
        (tmp_path / FOLDER / name).write_bytes(content)

    with pytest.raises(DataError, match=rf"test_batch\.bin': not {SIZE} bytes long"):
        SmallCifar10().build(DataRoot(tmp_path, download=False), "test")


def test_pickles_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"cos\nsystem\n.")

    with pytest.raises(FetchError, match=r"cifar-10-binary\.tar\.gz' is not there"):
        Cifar10().build(DataRoot(tmp_path, download=False))


HOSTILE = {
    "none": tarred({}),
    "missing": tarred({f"{FOLDER}/data_batch_1.bin": RECORDS["data_batch_1.bin"]}),
    "elsewhere": tarred({f"../{FOLDER}/{name}": content for name, content in RECORDS.items()}),
    "short": tarred({f"{FOLDER}/{name}": content[:-1] for name, content in RECORDS.items()}),
    "links": tarred({f"{FOLDER}/{name}": b"" for name in RECORDS}, tarfile.SYMTYPE),
    "labels": tarred({f"{FOLDER}/{name}": b"\x0a" + raw[1:] for name, raw in RECORDS.items()}),
    "cut": ARCHIVE[:-2000],
    "text": b"text",
    "empty": b"",
    "page": b"<!doctype html>",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_archive_of_something_else_is_one_error_that_names_it(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(HOSTILE[kind])
    monkeypatch.setattr(SmallCifar10, "md5", hashlib.md5(HOSTILE[kind]).hexdigest())

    with pytest.raises(DataError, match=rf"^'{path}': .*; remove it to download it again"):
        SmallCifar10().build(DataRoot(tmp_path, download=False))


def sprite(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", (96, 96), (number, 0, 0, 255)).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


SPRITES = zipped({f"pokemon/{name}/{name}.png": sprite(at) for at, name in enumerate("abc")})


class LocalSprites(Sprites):
    """Three sprites from this machine."""

    use: ClassVar[str] = "local_sprites"


@pytest.fixture
def sprites(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> LocalSprites:
    serve(SPRITES, server, monkeypatch)
    return LocalSprites()


def serve(content: bytes, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalSprites, "urls", (server.url("/pokemon.zip", whole(content)),))
    monkeypatch.setattr(LocalSprites, "sha1", hashlib.sha1(content).hexdigest())


def test_sprites_are_downloaded_once_and_read_from_the_zip(
    sprites: LocalSprites, server: LocalServer, tmp_path: Path
) -> None:
    first = sprites.build(DataRoot(tmp_path))
    second = sprites.build(DataRoot(tmp_path))

    assert images_of(first).shape == (3, 3, 64, 64)
    assert images_of(first)[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert first.classes == ("a", "b", "c")
    assert labels_of(first).tolist() == [0, 1, 2]
    assert first.fingerprint == second.fingerprint
    assert len(server.requests) == 1
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")] == [
        Path("sprites/pokemon.zip")
    ]


def test_an_interrupted_download_of_sprites_is_continued(
    sprites: LocalSprites, server: LocalServer, tmp_path: Path
) -> None:
    half = len(SPRITES) // 2
    server.url("/pokemon.zip", cut(SPRITES, half))
    with pytest.raises(FetchError, match=f"broke off after {half} of {len(SPRITES)} bytes"):
        sprites.build(DataRoot(tmp_path))
    server.url("/pokemon.zip", whole(SPRITES))

    data = sprites.build(DataRoot(tmp_path))

    assert len(data) == 3
    assert server.requests[-1] == ("/pokemon.zip", f"bytes={half}-")


@pytest.mark.parametrize("answer", [page, whole(SPRITES[:-1] + b"x"), lambda them: them.head(404)])
def test_sprites_that_are_none_leave_nothing_behind(
    sprites: LocalSprites, server: LocalServer, tmp_path: Path, answer: Answer
) -> None:
    server.url("/pokemon.zip", answer)

    with pytest.raises(FetchError, match=r"pokemon\.zip' is not there and could not be downloaded"):
        sprites.build(DataRoot(tmp_path))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "files",
    [
        {"../evil.png": sprite(1)},
        {"/tmp/evil.png": sprite(1)},
        {"a.png": b"\x89PNG\r\n\x1a\n" + bytes(1000)},
        {"readme.txt": b"no images"},
        {},
    ],
    ids=["up", "root", "broken", "text", "nothing"],
)
def test_a_hostile_archive_with_the_right_checksum_writes_nothing(
    sprites: LocalSprites,
    server: LocalServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, bytes],
) -> None:
    serve(zipped(files), server, monkeypatch)

    with pytest.raises(DataError, match=r"pokemon\.zip'"):
        sprites.build(DataRoot(tmp_path / "data"))

    assert [path.name for path in tmp_path.rglob("*.*")] == ["pokemon.zip"]
    assert not Path("/tmp/evil.png").exists()


def test_the_sprites_of_the_book_are_held_to_their_checksum(tmp_path: Path) -> None:
    (tmp_path / "sprites").mkdir()
    (tmp_path / "sprites" / "pokemon.zip").write_bytes(SPRITES)

    with pytest.raises(FetchError, match=r"is damaged \(sha1 .*, not c065c0e2593b8b161a2d7873e424"):
        Sprites().build(DataRoot(tmp_path, download=False))
