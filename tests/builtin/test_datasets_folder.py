"""Folders and archives of images: what is found, in which classes, and what is said of the rest."""

from __future__ import annotations

import os
import pickle
import random
import stat
import struct
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from resident import images_of, labels_of
from torch.utils.data import DataLoader

from ganzoo.api import DataError, DataRoot
from ganzoo_datasets import archives, image_files
from ganzoo_datasets.folder import Folder


def image(number: int) -> bytes:
    """Return a PNG of 8×8 pixels, all alike and told apart by ``number``."""
    buffer = BytesIO()
    Image.new("RGB", (8, 8), (number, 255 - number, 7)).save(buffer, "PNG")
    return buffer.getvalue()


def lay(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def pack(path: Path, files: dict[str, bytes], **options: Any) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content, **options)


def firsts(images: Any) -> list[int]:
    return [int(images[at][0, 0, 0]) for at in range(len(images))]


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    (tmp_path / "set").mkdir()
    return DataRoot(tmp_path)


@pytest.fixture
def folder(root: DataRoot) -> Path:
    return root.path / "set"


SPEC = Folder(path="set", size=8)
NESTED = {
    "cat/b.png": image(2),
    "cat/a.png": image(1),
    "ant/deep/er/c.png": image(3),
    "dog/d.PNG": image(4),
}


def test_sub_folders_are_classes_in_the_order_of_their_names(root: DataRoot, folder: Path) -> None:
    lay(folder, NESTED)

    data = SPEC.build(root)

    assert images_of(data).shape == (4, 3, 8, 8)
    assert images_of(data).dtype == torch.uint8
    assert firsts(data.images) == [3, 1, 2, 4]
    assert images_of(data)[0, :, 0, 0].tolist() == [3, 252, 7]
    assert data.classes == ("ant", "cat", "dog")
    assert labels_of(data).tolist() == [0, 1, 1, 2]
    assert data.notes == ()


def test_a_zip_of_a_folder_is_the_same_data(root: DataRoot, folder: Path) -> None:
    lay(folder, NESTED)
    pack(root.path / "set.zip", NESTED)

    from_folder = SPEC.build(root)
    from_zip = Folder(path="set.zip", size=8).build(root)

    assert torch.equal(images_of(from_zip), images_of(from_folder))
    assert labels_of(from_zip).tolist() == [0, 1, 1, 2]
    assert from_zip.fingerprint == from_folder.fingerprint


def test_a_flat_folder_has_no_classes(root: DataRoot, folder: Path) -> None:
    lay(folder, {"b.png": image(2), "a.png": image(1)})

    data = SPEC.build(root)

    assert firsts(data.images) == [1, 2]
    assert data.labels is None
    assert data.classes == ()


def test_folders_around_all_images_are_looked_through(root: DataRoot, folder: Path) -> None:
    lay(folder, {f"archive/v2/{name}": content for name, content in NESTED.items()})

    assert SPEC.build(root).classes == ("ant", "cat", "dog")


def test_where_some_images_have_no_class_there_are_none(root: DataRoot, folder: Path) -> None:
    lay(folder, {**NESTED, "loose.png": image(9)})

    data = SPEC.build(root)

    assert data.labels is None
    assert data.notes == ("no classes: 1 of 5 images are not in a subfolder",)


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path) -> None:
    lay(tmp_path, NESTED)

    data = Folder(path=str(tmp_path), size=8).build(DataRoot(Path("/nowhere")))

    assert len(data) == 4


def test_the_fingerprint_follows_the_content_and_the_settings(root: DataRoot, folder: Path) -> None:
    lay(folder, NESTED)
    specs = [SPEC, Folder(path="set", size=16), Folder(path="set", size=8, channels=1)]

    found = [spec.build(root).fingerprint for spec in (*specs, SPEC)]
    lay(folder, {"cat/a.png": image(77)})
    changed = SPEC.build(root).fingerprint

    assert found[0] == found[3]
    assert len({*found, changed}) == 4


def test_what_is_held_out_is_apart_and_stays_when_images_join(root: DataRoot, folder: Path) -> None:
    lay(folder, {f"{number:03}.png": image(number) for number in range(200)})
    spec = Folder(path="set", size=8, holdout=0.25)
    train, test = spec.build(root), spec.build(root, "test")
    lay(folder, {f"{number:03}.png": image(number) for number in range(200, 250)})
    more = spec.build(root, "test")

    assert sorted(firsts(train.images) + firsts(test.images)) == list(range(200))
    assert 30 < len(test) < 70  # 50 expected, standard deviation 6.1
    assert set(firsts(test.images)) <= set(firsts(more.images))
    assert [number for number in firsts(more.images) if number < 200] == firsts(test.images)


def test_without_a_holdout_there_is_nothing_to_test_on(root: DataRoot, folder: Path) -> None:
    lay(folder, NESTED)

    with pytest.raises(DataError, match=r"none of 4 images is for 'test'; set dataset\.holdout"):
        SPEC.build(root, "test")


def test_an_empty_folder_is_an_error_that_counts_what_is_there(
    root: DataRoot, folder: Path
) -> None:
    with pytest.raises(DataError, match=r"no images in '.*/set' \(it is empty; PNG, JPEG, WEBP"):
        SPEC.build(root)

    lay(folder, {"a.txt": b"", "b.txt": b"", "c.heic": b"", "README": b"", ".hidden.png": b""})
    with pytest.raises(DataError, match=r"\(2 \.txt, 1 \.heic, 1 without extension; PNG"):
        SPEC.build(root)


@pytest.mark.parametrize("path", ["/nothing", "/dev/null", "pipe"])
def test_a_path_without_images_behind_it_is_named(root: DataRoot, path: str) -> None:
    os.mkfifo(root.path / "pipe")

    with pytest.raises(DataError, match=f"'{root.path / path}': .*; name a folder of images or a"):
        Folder(path=path, size=8).build(root)


@pytest.mark.parametrize("path", ["nothing", "set/nothing", "a" * 300])
def test_a_path_that_leads_nowhere_is_told_with_the_folders_it_may_start_from(
    root: DataRoot, path: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any
) -> None:
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)

    with pytest.raises(DataError) as error:
        Folder(path=path, size=8).build(root)

    assert f"'{path}' is neither in the data folder '{root.path}'" in str(error.value)
    assert f"nor in the working folder '{here}'" in str(error.value)


def test_a_path_starts_at_the_data_folder_then_the_working_folder_or_at_home(
    root: DataRoot, folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any
) -> None:
    here = tmp_path_factory.mktemp("here")
    lay(folder, {"a.png": image(1)})
    lay(here, {"set/a.png": image(2), "mine/a.png": image(3)})
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(here))

    found = [Folder(path=path, size=8).build(root) for path in ("set", "mine", "~/mine", "./mine")]

    assert [firsts(each.images) for each in found] == [[1], [3], [3], [3]]
    assert found[1].source == str(here / "mine")


def test_a_home_that_nobody_has_is_told(root: DataRoot) -> None:
    with pytest.raises(DataError, match=r"'~nobody-at-all/x': .*write the path from '/' on"):
        Folder(path="~nobody-at-all/x", size=8).build(root)


@pytest.mark.parametrize("way", [lay, lambda folder, files: pack(folder / "all.zip", files)])
def test_what_is_left_out_is_counted_in_a_note(root: DataRoot, folder: Path, way: Any) -> None:
    others = {f"{at}.svg": b"" for at in range(3)} | {"x.heic": b"", "more.zip": b""}
    way(folder, {"a.png": image(1), **others})
    zips = [*folder.glob("all.zip")]

    data = Folder(path=str(zips[0]) if zips else "set", size=8).build(root)

    assert data.notes == (
        "left out, not readable images: 3 .svg, 1 .heic, 1 .zip; PNG, JPEG, WEBP, AVIF, TIFF, "
        "PPM, BMP, GIF, .npy and .npz are read; archives beside images are not opened",
    )


def test_of_many_kinds_that_are_left_out_the_rest_is_counted(root: DataRoot, folder: Path) -> None:
    lay(folder, {"a.png": image(1), **{f"x.{at:02d}": b"" for at in range(11)}})

    (note,) = SPEC.build(root).notes

    assert "1 .07, 3 others; PNG" in note


@pytest.mark.parametrize("path", ["", "a\0b", "a\nb", "\x1b[31m", "a" * 5000])
def test_a_path_that_no_folder_has_is_refused_with_the_recipe(path: str) -> None:
    with pytest.raises(ValidationError):
        Folder(path=path, size=8)


BAD = {
    "a.png": b"",
    "b.png": b"text",
    "c.jpg": image(1)[:50],
    "d.png": image(1),
}


def test_images_that_cannot_be_read_are_all_named_before_training(
    root: DataRoot, folder: Path
) -> None:
    lay(folder, BAD)

    with pytest.raises(DataError) as error:
        SPEC.build(root)

    assert str(error.value) == (
        f"'{folder}': 3 of 4 images cannot be read: a.png (empty file), b.png (not PNG, JPEG, "
        "WEBP, BMP, GIF, AVIF, TIFF or PPM), c.jpg (truncated); remove them, or set "
        'dataset.on_bad = "skip" to leave them out'
    )


@pytest.mark.parametrize("resident", [True, False])
def test_bad_images_can_be_left_out(
    root: DataRoot, folder: Path, monkeypatch: pytest.MonkeyPatch, resident: bool
) -> None:
    lay(folder, {f"cat/{name}": content for name, content in BAD.items()})
    lay(folder, {"dog/x.png": image(5)})
    if not resident:
        monkeypatch.setattr(image_files, "RESIDENT", 0)

    data = Folder(path="set", size=8, on_bad="skip").build(root)

    assert isinstance(data.images, torch.Tensor) == resident
    assert firsts(data.images) == [1, 5]
    assert labels_of(data).tolist() == [0, 1]
    assert data.notes[-1].startswith("3 of 5 images cannot be read and are left out: cat/a.png (")


def test_when_all_images_are_bad_leaving_out_does_not_help(root: DataRoot, folder: Path) -> None:
    lay(folder, {f"{number:02}.png": b"x" for number in range(14)})

    with pytest.raises(DataError, match=r"14 of 14 images .* 09\.png \([^)]*\) and 4 more; remove"):
        Folder(path="set", size=8, on_bad="skip").build(root)


@pytest.mark.parametrize("limit", [0, 1 << 30], ids=["read later", "resident"])
def test_changes_are_noted_once_for_each_kind(
    root: DataRoot, folder: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(image_files, "RESIDENT", limit)
    lay(folder, NESTED)
    Image.new("P", (8, 8)).save(folder / "cat" / "p.png")
    Image.new("P", (8, 8)).save(folder / "cat" / "q.png")

    assert SPEC.build(root).notes == ("palette, converted to RGB: 2 of 6 images, as 'cat/p.png'",)


def test_links_are_followed_and_everything_is_visited_once(root: DataRoot, folder: Path) -> None:
    lay(folder, {"a.png": image(1), "b/c.png": image(2)})
    lay(root.path / "elsewhere", {"d.png": image(3)})
    (folder / "b" / "up").symlink_to(folder)
    (folder / "0.png").symlink_to(folder / "a.png")
    (folder / "0folder").symlink_to(folder / "b")
    (folder / "lost.png").symlink_to(folder / "nothing")
    (folder / "itself.png").symlink_to(folder / "itself.png")
    (folder / "out").symlink_to(root.path / "elsewhere")
    os.mkfifo(folder / "pipe.png")

    listing = archives.FolderStore(folder).scan()

    assert listing.names == ["a.png", "b/c.png", "out/d.png"]
    assert listing.skipped == {
        "links to a folder already included": 2,
        "links to an image already included": 1,
        "broken links": 2,
        "pipes, sockets or devices": 1,
    }
    assert "skipped: 1 pipes, sockets or devices" in SPEC.build(root).notes


def test_large_sets_are_decoded_when_asked_for_and_are_the_same(
    root: DataRoot, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(folder, NESTED)
    pack(root.path / "set.zip", NESTED)
    resident = SPEC.build(root)
    monkeypatch.setattr(image_files, "RESIDENT", 0)

    for path in ("set", "set.zip"):
        data = Folder(path=path, size=8).build(root)
        copied = pickle.loads(pickle.dumps(data.images))  # as workers that are spawned get it

        assert len(data) == 4
        assert data.fingerprint == resident.fingerprint
        for at in range(4):
            assert torch.equal(data.images[at], resident.images[at])
            assert torch.equal(copied[at], resident.images[at])


def test_workers_share_an_archive_without_disturbing_each_other(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{number:03}.png": image(number) for number in range(120)}
    pack(root.path / "set.zip", files)
    monkeypatch.setattr(image_files, "RESIDENT", 0)
    source = Folder(path="set.zip", size=8).build(root).images

    loader = DataLoader[torch.Tensor](cast(Any, source), batch_size=5, num_workers=2)
    seen = torch.cat(list(loader))

    assert firsts(seen) == list(range(120))


def test_an_image_that_becomes_unreadable_in_mid_run_is_named(
    root: DataRoot, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(folder, NESTED)
    monkeypatch.setattr(image_files, "RESIDENT", 0)
    data = SPEC.build(root)
    (folder / "cat/a.png").unlink()
    (folder / "cat/b.png").write_bytes(b"")

    with pytest.raises(DataError, match=r"set': 'cat/a\.png': No such file or directory"):
        data.images[1]
    with pytest.raises(DataError, match=r"set': 'cat/b\.png': empty file"):
        data.images[2]


def test_a_name_cannot_write_to_the_terminal(root: DataRoot, folder: Path) -> None:
    lay(folder, {"\x1b[31mred\u202e.png": b"", "\udcff.png": b""})

    with pytest.raises(DataError) as error:
        SPEC.build(root)

    assert "\x1b" not in str(error.value)
    str(error.value).encode()


def test_progress_is_told(folder: Path, root: DataRoot) -> None:
    lay(folder, NESTED)
    told: list[tuple[str, int, int]] = []

    SPEC.build(DataRoot(root.path, progress=lambda *args: told.append(args)))

    assert told == [("reading images", number, 4) for number in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "C:/evil.png", "..\\evil.png"]
)
def test_an_archive_with_names_that_lead_out_is_refused(root: DataRoot, name: str) -> None:
    pack(root.path / "set.zip", {"good.png": image(1), name: image(2)})

    with pytest.raises(
        DataError, match=r"set\.zip': a member is named '.*', which points outside t"
    ):
        Folder(path="set.zip", size=8).build(root)


def test_a_member_that_claims_or_is_too_much_is_refused(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_files, "BYTES", 1_000_000)
    pack(root.path / "set.zip", {"a.png": image(1), "bomb.png": bytes(1_000_001)})

    with pytest.raises(DataError, match=r"1 of 2 .*bomb\.png \(1,000,001 bytes, more than 1,000,0"):
        Folder(path="set.zip", size=8).build(root)

    monkeypatch.setattr(archives, "TOTAL", 1_000_000)
    with pytest.raises(DataError, match=r"images would unpack to \d+ bytes, more than 1000000"):
        Folder(path="set.zip", size=8).build(root)


def test_a_member_that_holds_more_than_it_claims_is_not_unpacked_further(root: DataRoot) -> None:
    path = root.path / "set.zip"
    pack(path, {"a.png": image(1), "bomb.png": bytes(50_000_000)})
    lying = path.read_bytes().replace(struct.pack("<L", 50_000_000), struct.pack("<L", 500))
    path.write_bytes(lying)

    with pytest.raises(DataError, match=r"bomb\.png \(Bad CRC-32 for file 'bomb\.png'\)"):
        Folder(path="set.zip", size=8).build(root)


def test_links_in_an_archive_are_passed_by(root: DataRoot) -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(root.path / "set.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.png", image(1))
        archive.writestr("__MACOSX/._a.png", b"resource fork")

    data = Folder(path="set.zip", size=8).build(root)

    assert firsts(data.images) == [1]
    assert data.notes == ("skipped: 1 links or special files",)


def test_an_encrypted_archive_is_refused(root: DataRoot) -> None:
    path = root.path / "set.zip"
    pack(path, {"a.png": image(1)})
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)

    with pytest.raises(DataError, match=r"set\.zip': it is encrypted"):
        Folder(path="set.zip", size=8).build(root)


def test_a_member_packed_by_an_unusual_method_is_unreadable(root: DataRoot) -> None:
    with zipfile.ZipFile(root.path / "set.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.png", image(1))

    with pytest.raises(DataError, match=r"a\.png \(packed by method 14, not by deflate\)"):
        Folder(path="set.zip", size=8).build(root)


def test_no_mutation_of_an_archive_ends_in_another_kind_of_error(root: DataRoot) -> None:
    path = root.path / "set.zip"
    pack(path, NESTED)
    sound = path.read_bytes()
    chance = random.Random(4)
    said: list[str] = []
    for _ in range(300):
        raw = bytearray(sound)
        for _ in range(chance.choice([1, 2, 8])):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        path.write_bytes(raw[: chance.choice([len(raw), len(raw), chance.randrange(len(raw))])])
        try:
            Folder(path="set.zip", size=8).build(root)
        except DataError as error:
            said.append(str(error))

    assert len(said) > 150
    assert all(str(path) in text for text in said)


def test_real_photographs_are_read_from_their_archive(real_data: Path, photographs: str) -> None:
    data = Folder(path=photographs, size=32).build(DataRoot(real_data))

    assert images_of(data).shape == (5000, 3, 32, 32)
    assert torch.bincount(labels_of(data)).tolist() == [500] * 10
    assert data.classes[0] == "airplane"
