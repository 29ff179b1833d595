"""Pictures of any depth, channels and place: arrays, ranges, profiles, archives, crops."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, features
from pydantic import ValidationError

from ganzoo.api import DataError, DataRoot, ImageData
from ganzoo_datasets.decode import decode
from ganzoo_datasets.folder import Folder
from ganzoo_datasets.frame import Frame, drawn

CHANCE = np.random.default_rng(3)


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path)


def built(path: Path, root: DataRoot, **settings: Any) -> ImageData:
    return Folder(path=str(path), **{"size": 8, **settings}).build(root)


def encoded(image: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def frame(**changes: Any) -> Frame:
    given: dict[str, Any] = {
        "channels": 3,
        "height": 8,
        "width": 8,
        "crop": "center",
        "resample": "bilinear",
        "background": (255, 255, 255),
    }
    return Frame(**{**given, **changes})


def pixels(data: bytes, how: Frame) -> np.ndarray[Any, Any]:
    return np.frombuffer(decode(data, how)[0], np.uint8).reshape(how.channels, how.height, -1)


@pytest.mark.parametrize("kind", ["TIFF", "PPM", "BMP", "GIF", "PNG", "WEBP", "AVIF"])
def test_one_picture_is_the_same_in_every_format(kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    values = np.repeat(CHANCE.integers(0, 256, (8, 8, 1), np.uint8), 3, 2)
    lossless: dict[str, Any] = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100}}

    found = pixels(
        encoded(Image.fromarray(values), kind, **lossless.get(kind, {})), frame(channels=1)
    )

    assert np.abs(found[0].astype(int) - values[..., 0]).max() <= (3 if kind == "AVIF" else 0)


def test_opacity_is_kept_as_the_last_channel() -> None:
    values = CHANCE.integers(0, 256, (8, 8, 4), np.uint8)
    grey = CHANCE.integers(0, 256, (8, 8, 2), np.uint8)

    assert (
        pixels(encoded(Image.fromarray(values)), frame(channels=4)) == values.transpose(2, 0, 1)
    ).all()
    assert (
        pixels(encoded(Image.fromarray(grey, "LA")), frame(channels=2)) == grey.transpose(2, 0, 1)
    ).all()
    opaque, changes = decode(encoded(Image.new("RGB", (8, 8))), frame(channels=4))
    assert set(opaque[3 * 64 :]) == {255}
    assert changes == {"without alpha, treated as opaque"}


def test_a_stated_range_is_stretched_and_a_measured_one_is_that_of_all(
    root: DataRoot, tmp_path: Path
) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    values = np.array([[100] * 8] * 4 + [[2100] * 8] * 4, np.uint16)
    Image.fromarray(values).save(folder / "a.png")
    Image.fromarray(values * 2 - 100).save(folder / "b.png")

    stated = built(folder, root, channels=1, range=[100, 2100]).images
    measured = built(folder, root, channels=1, range="data")

    assert stated[0, 0, :, 0].tolist() == [0] * 4 + [255] * 4  # type: ignore[index]
    assert measured.images[0, 0, :, 0].tolist() == [0] * 4 + [128] * 4  # type: ignore[index]
    assert measured.images[1, 0, :, 0].tolist() == [0] * 4 + [255] * 4  # type: ignore[index]
    assert "range: 100 … 4100, measured over all 2 images" in measured.notes


def test_a_range_stretches_eight_bits_too_and_leaves_opacity() -> None:
    values = np.full((8, 8, 4), 100, np.uint8)

    found = pixels(encoded(Image.fromarray(values)), frame(channels=4, value_range=(50.0, 150.0)))

    assert found[:, 0, 0].tolist() == [128, 128, 128, 100]


def test_floats_are_taken_from_0_to_1_and_what_is_outside_is_told() -> None:
    values = np.linspace(0, 1.2, 64, dtype=np.float32).reshape(8, 8)
    values[0, 1] = np.nan

    found, changes = decode(encoded(Image.fromarray(values), "TIFF"), frame(channels=1))

    expected = np.clip(np.rint(values.ravel() * 255), 0, 255)
    expected[1] = 0
    assert list(found) == expected.tolist()
    assert changes == {
        "with values outside 0 … 1, clipped; see dataset.range",
        "with values that are not numbers, set to the lowest",
    }


@pytest.mark.parametrize("axes", ["NHWC", "NCHW"])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_a_stack_is_as_many_pictures(
    root: DataRoot, tmp_path: Path, axes: str, channels: int
) -> None:
    stack = CHANCE.integers(0, 256, (6, channels, 8, 8), np.uint8)
    path = tmp_path / "stack.npy"
    np.save(path, stack if axes == "NCHW" else stack.transpose(0, 2, 3, 1))

    data = built(path, root, channels=channels)

    assert (np.asarray(data.images) == stack).all()
    assert any(f"read as axes {axes}, 6 pictures of {channels} channels" in n for n in data.notes)


def test_arrays_of_classes_lie_in_folders_and_in_archives(root: DataRoot, tmp_path: Path) -> None:
    packed = tmp_path / "x.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("cat", "dog"):
            buffer = BytesIO()
            np.savez(buffer, images=CHANCE.random((3, 8, 8)), labels=np.arange(3))
            archive.writestr(f"{name}/all.npz", buffer.getvalue())

    data = built(packed, root, channels=1)

    assert data.classes == ("cat", "dog")
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert "left out, not pictures: arrays of shape 3 in .npz: 2 arrays" in data.notes


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros((2, 3, 4, 5, 6)), "the axes are ambiguous"),
        (np.zeros((4, 8, 8), np.int32), "no fixed range"),
        (np.array(["a"]), "not numbers"),
        (np.array([{}], object), "Python objects"),
        (np.zeros((2, 7, 8, 8), np.uint8), "7 channels"),
        (np.zeros((0, 8, 8), np.uint8), "is empty"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(
    root: DataRoot, tmp_path: Path, array: np.ndarray[Any, Any], told: str
) -> None:
    np.save(tmp_path / "x.npy", array)

    with pytest.raises(DataError, match=told):
        built(tmp_path / "x.npy", root, axes="NCHW" if array.ndim == 4 else "auto")


def test_an_array_that_claims_too_much_is_refused(root: DataRoot, tmp_path: Path) -> None:
    buffer = BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 64, 64)}
    )
    (tmp_path / "x.npy").write_bytes(buffer.getvalue() + bytes(100))

    with pytest.raises(DataError, match=r"x\.npy"):
        built(tmp_path / "x.npy", root, channels=1)


def red_is_blue() -> bytes:
    """Return the profile of colours whose red is sRGB's blue, and its blue the red."""
    raw = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(raw[128:132])
    tags = {bytes(raw[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, blue = tags[b"rXYZ"] + 4, tags[b"bXYZ"] + 4
    raw[red : red + 8], raw[blue : blue + 8] = raw[blue : blue + 8], raw[red : red + 8]
    return bytes(raw).replace("sRGB".encode("utf-16-be"), "xRGB".encode("utf-16-be"))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_of_another_profile_become_those_of_srgb(mode: str) -> None:
    image = Image.new(mode, (8, 8), (255, 0, 0))

    def see(profile: bytes, **settings: Any) -> tuple[list[int], set[str]]:
        found, changes = decode(encoded(image, icc_profile=profile), frame(**settings))
        return list(found[::64]), {told for told in changes if "alpha" not in told}

    same = [255, 0, 0]
    assert see(red_is_blue()) == (
        same, {'with a colour profile, ignored; dataset.profiles = "srgb" applies it'},
    )  # fmt: skip
    converted, told = see(red_is_blue(), profiles="srgb")
    assert np.allclose(converted, [0, 0, 255], atol=2)
    assert told == {"with a colour profile, converted to sRGB"}
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert see(srgb, profiles="srgb") == (same, set())
    other = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for broken in (b"nonsense", other):
        assert see(broken, profiles="srgb") == (
            same, {"with a broken colour profile, ignored"},
        )  # fmt: skip


def test_a_picture_is_padded_with_the_background_or_with_nothing() -> None:
    red = Image.new("RGB", (8, 4), (255, 0, 0))

    found = pixels(encoded(red), frame(crop="pad", background=(0, 0, 255)))
    clear = pixels(encoded(red), frame(crop="pad", channels=4))

    assert found[:, 0, 0].tolist() == [0, 0, 255]
    assert found[:, 4, 4].tolist() == [255, 0, 0]
    assert (clear[3, :, 0] == [0, 0, 255, 255, 255, 255, 0, 0]).all()


def test_copies_differ_by_crop_and_turn_and_always_by_the_same(
    root: DataRoot, tmp_path: Path
) -> None:
    folder = tmp_path / "x"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        values = CHANCE.integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(values).save(folder / name / "1.png")
    settings = {"crop": "random", "crop_share": [0.5, 1.0], "rotate": 10, "copies": 3}

    data = built(folder, root, **settings)

    again = built(folder, root, **settings)
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert len({image.tobytes() for image in np.asarray(data.images)}) == 6
    assert (np.asarray(data.images) == np.asarray(again.images)).all()
    assert "copies: 2 images, 3 of each" in data.notes
    assert data.fingerprint != built(folder, root, **{**settings, "copies": 2}).fingerprint


def test_a_turned_picture_has_no_empty_corner() -> None:
    white = encoded(Image.new("RGB", (40, 20), (255, 255, 255)))
    how = frame(rotate=45.0, background=(0, 0, 0), resample="nearest")

    for copy in range(10):
        assert set(decode(white, how, drawn("x", copy))[0]) == {255}


@pytest.mark.parametrize(
    "settings",
    [
        {"range": [3, 3]},
        {"copies": 2},
        {"crop_share": [0.5, 1.0]},
        {"crop": "random", "crop_share": [1.0, 0.5]},
    ],
)
def test_settings_that_do_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Folder(path="x", size=8, **settings)


def tar_of(files: dict[str, bytes], mode: str) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


FILES = {
    f"{kind}/{at}.png": encoded(Image.new("RGB", (8, 8), (at, 0, 0)))
    for kind in ("cat", "dog")
    for at in range(3)
}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_is_read_as_a_zip_is(root: DataRoot, tmp_path: Path, mode: str) -> None:
    (tmp_path / "x.tar").write_bytes(tar_of(FILES, mode))
    (tmp_path / "x.zip").write_bytes(zip_of(FILES))

    found, same = built(tmp_path / "x.tar", root), built(tmp_path / "x.zip", root)

    assert found.classes == ("cat", "dog")
    assert found.fingerprint == same.fingerprint


@pytest.mark.parametrize("pack", [zip_of, lambda files: tar_of(files, "w:gz")])
def test_an_archive_of_an_archive_is_looked_into(root: DataRoot, tmp_path: Path, pack: Any) -> None:
    (tmp_path / "x.zip").write_bytes(zip_of({"inner/all.zip": zip_of(FILES), "b.tgz": pack({})}))
    (tmp_path / "plain.zip").write_bytes(zip_of(FILES))
    deep = zip_of(FILES)
    for _ in range(4):
        deep = zip_of({"in.zip": deep})
    (tmp_path / "deep.zip").write_bytes(deep)

    found = built(tmp_path / "x.zip", root)

    assert (
        np.asarray(found.images) == np.asarray(built(tmp_path / "plain.zip", root).images)
    ).all()
    assert found.classes == ("cat", "dog")
    assert "read from nested archives: 2" in found.notes
    with pytest.raises(DataError, match="more than 3 nested archives"):
        built(tmp_path / "deep.zip", root)


def test_a_tar_that_leads_out_or_is_cut_off_is_refused(root: DataRoot, tmp_path: Path) -> None:
    (tmp_path / "out.tar").write_bytes(tar_of({"../x.png": b"1"}, "w"))
    whole = tar_of(FILES, "w:gz")
    (tmp_path / "half.tgz").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(DataError, match="points outside the folder"):
        built(tmp_path / "out.tar", root)
    with pytest.raises(DataError, match=r"half\.tgz"):
        built(tmp_path / "half.tgz", root)


@pytest.mark.parametrize("name", ["x.tar", "x.zip", "x.npy"])
def test_a_store_can_be_handed_to_a_worker(root: DataRoot, tmp_path: Path, name: str) -> None:
    content = {
        "x.tar": tar_of(FILES, "w:gz"),
        "x.zip": zip_of({"in.zip": zip_of(FILES)}),
    }
    np.save(tmp_path / "x.npy", CHANCE.integers(0, 256, (6, 8, 8, 3), np.uint8))
    if name in content:
        (tmp_path / name).write_bytes(content[name])
    from ganzoo_datasets.arrays import ArrayStore

    store = ArrayStore(Folder(path=str(tmp_path / name), size=8).store(root.path), "auto", 3)
    names = store.scan().names

    there = pickle.loads(pickle.dumps(store))

    assert [there.read(each, 10**6) for each in names] == [
        store.read(each, 10**6) for each in names
    ]
