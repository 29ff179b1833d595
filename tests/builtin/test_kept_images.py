"""Decoded images in the user's cache: the same as without, whole or not there, never in the way."""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from small_recipe import small
from torch import Tensor

import ganzoo
from ganzoo.api import DataRoot, ImageData
from ganzoo.cli.app import ganzoo as command
from ganzoo.common import kept_pixels
from ganzoo.recipe.model import Train
from ganzoo.runs import checkpoint
from ganzoo.runs.folder import checkpoints
from ganzoo.training.feed import Feed, shape_of
from ganzoo_datasets import image_files
from ganzoo_datasets.folder import Folder

SPEC = Folder(path="set", size=8)


@pytest.fixture
def told() -> list[str]:
    """Return what was told, filled as it happens."""
    return []


@pytest.fixture
def root(tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """Return a data folder with 24 pictures in two classes, and an empty cache for however few."""
    generator = torch.Generator().manual_seed(1)
    for number in range(24):
        folder = tmp_path / "set" / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = torch.randint(256, (12, 10, 3), dtype=torch.uint8, generator=generator)
        Image.fromarray(pixels.numpy()).save(folder / f"{number:02}.png")
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(image_files, "KEPT", 0)
    monkeypatch.setattr(kept_pixels, "BLOCK", 1000)
    return DataRoot(tmp_path, tell=told.append)


def plain(root: DataRoot, spec: Folder = SPEC) -> ImageData:
    """Return the same data without a cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_files, "KEPT", 1 << 40)
        return spec.build(root)


def same(a: ImageData, b: ImageData) -> bool:
    """Return whether all is equal that a run sees or records."""
    assert isinstance(a.images, Tensor)
    assert isinstance(b.images, Tensor)
    assert a.labels is not None
    assert b.labels is not None
    facts = [(each.classes, each.source, each.fingerprint, each.notes) for each in (a, b)]
    return (
        torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels) and facts[0] == facts[1]
    )


def kept(root: DataRoot) -> list[Path]:
    return sorted((root.path / "cache" / "images").glob("*.pixels"))


def barred(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every further decoding fail."""

    def decode(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(image_files, "decode", decode)


def test_images_are_decoded_once_and_are_the_same_as_without_a_cache(
    root: DataRoot, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (root.path / "set" / "cat" / "bad.png").write_bytes(b"x")
    spec = Folder(path="set", size=8, on_bad="skip")
    expected = plain(root, spec)

    first = spec.build(root)
    assert [line for line in told if "caching decoded images in" in line] == told
    assert f"{8 * 8 * 3 * (len(first) + 1):,} bytes" in told[0]
    barred(monkeypatch)
    second = spec.build(root)

    assert len(told) == 1
    assert "cannot be read and are left out" in second.notes[-1]
    assert same(first, expected)
    assert same(second, expected)


def test_another_picture_or_another_setting_is_another_file(root: DataRoot) -> None:
    SPEC.build(root)
    Folder(path="set", size=8, crop="none").build(root)
    (root.path / "set" / "cat" / "00.png").write_bytes(
        (root.path / "set" / "dog" / "01.png").read_bytes()
    )

    assert same(SPEC.build(root), plain(root))
    assert len(kept(root)) == 3


@pytest.mark.parametrize(
    "harm",
    [
        lambda content: content[:2500] + bytes([content[2500] ^ 1]) + content[2501:],
        lambda content: content[:-1],
        lambda content: content[:3000],
        lambda content: content[:-40] + b"?" + content[-39:],
        lambda content: content[100:],
        lambda _: b"",
    ],
    ids=["pixel", "end", "half", "table", "start", "empty"],
)
def test_a_damaged_file_is_noticed_and_made_anew(
    root: DataRoot, told: list[str], harm: Callable[[bytes], bytes]
) -> None:
    SPEC.build(root)
    (path,) = kept(root)
    whole = path.read_bytes()
    path.write_bytes(harm(whole))
    told.clear()

    assert same(SPEC.build(root), plain(root))
    assert f"'{path}' is damaged (" in told[0]
    assert path.read_bytes() == whole


@pytest.mark.parametrize("at", [3, 24])
def test_a_kill_while_it_is_written_leaves_nothing_that_is_read(
    root: DataRoot, told: list[str], at: int
) -> None:
    def killed(what: str, done: int, total: int) -> None:  # noqa: ARG001
        if what == "reading images" and done == at:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            SPEC.build(DataRoot(root.path, progress=killed))
        finally:
            os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not kept(root)
    assert list((root.path / "cache" / "images").iterdir())

    assert same(SPEC.build(root), plain(root))
    assert len(told) == 1
    assert list((root.path / "cache" / "images").iterdir()) == kept(root)


def test_a_second_run_waits_for_the_first_and_decodes_nothing(root: DataRoot) -> None:
    begun, waits = threading.Event(), threading.Event()
    built: dict[str, ImageData] = {}
    lines: list[str] = []

    def slow(what: str, done: int, total: int) -> None:  # noqa: ARG001
        if what == "reading images" and done == 1:
            begun.set()
            waits.wait(20)

    def tell(text: str) -> None:
        lines.append(text)
        waits.set()

    def build(name: str, data_root: DataRoot) -> None:
        built[name] = SPEC.build(data_root)

    first = threading.Thread(target=build, args=("first", DataRoot(root.path, progress=slow)))
    first.start()
    assert begun.wait(20)
    second = threading.Thread(target=build, args=("second", DataRoot(root.path, tell=tell)))
    second.start()
    first.join(20)
    second.join(20)

    assert same(built["first"], built["second"])
    assert len(lines) == 1
    assert lines[0].startswith("another process is caching the same images in ")


def test_without_a_place_to_write_a_run_goes_on(
    root: DataRoot, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (root.path / "file").write_bytes(b"")
    monkeypatch.setenv("GANZOO_CACHE", str(root.path / "file"))
    assert same(SPEC.build(root), plain(root))
    assert len(told) == 1
    assert told[0].startswith("decoded images are not cached: cannot write '")

    monkeypatch.setenv("GANZOO_CACHE", str(root.path / "cache"))
    monkeypatch.setattr(kept_pixels, "SPARE", 1 << 60)
    assert same(SPEC.build(root), plain(root))
    assert "make room or name another folder with GANZOO_CACHE" in told[-1]


def test_a_disk_that_fills_up_while_it_is_written_is_no_reason_to_stop(
    root: DataRoot, told: list[str]
) -> None:
    expected = plain(root)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        data = SPEC.build(root)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert same(data, expected)
    assert "decoded images are not cached: cannot write " in told[-1]
    assert not kept(root)
    assert not list(root.path.glob("cache/images/*"))


def test_what_was_not_used_for_longest_makes_room(
    root: DataRoot, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in (8, 9):
        Folder(path="set", size=size).build(root)
        for path in kept(root):
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 100))
    total = sum(path.stat().st_size for path in kept(root))
    monkeypatch.setenv("GANZOO_CACHE_LIMIT", str((total + 2500) / 1e9))
    monkeypatch.setattr(kept_pixels, "SPARE", 0)

    Folder(path="set", size=8).build(root)  # now 9 is the oldest
    told.clear()
    Folder(path="set", size=10).build(root)

    assert told[0].startswith("removed cached images, to stay below ")
    titles = " ".join(entry.title for entry in kept_pixels.entries(root.path / "cache"))
    assert "8×8" in titles
    assert "9×9" not in titles

    monkeypatch.setenv("GANZOO_CACHE_LIMIT", "1e-9")
    Folder(path="set", size=11).build(root)
    assert "which GANZOO_CACHE_LIMIT allows" in told[-1]
    told.clear()
    monkeypatch.setenv("GANZOO_CACHE_LIMIT", "0")
    assert same(SPEC.build(root), plain(root))
    assert not told


def test_batches_are_the_same_from_the_cache_and_from_the_loader(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_files, "RESIDENT", 0)
    cached = SPEC.build(root)
    loaded = plain(root)
    train = Train(steps=9, batch_size=5)
    shape = shape_of(cached, SPEC)
    feeds = [Feed(data, shape, train, torch.device("cpu")) for data in (cached, loaded)]

    assert isinstance(cached.images, Tensor)
    assert not isinstance(loaded.images, Tensor)
    for number in range(9):
        a, b = (feed(number) for feed in feeds)
        assert torch.equal(a.images, b.images)
        assert a.labels is not None
        assert b.labels is not None
        assert torch.equal(a.labels, b.labels)


@pytest.mark.slow
def test_training_is_the_same_from_the_cache_and_from_the_loader(
    root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(small().replace('"digits"', f'"folder"\npath = "{root.path}/set"\nsize = 8'))
    ends = []
    for limit in (0, 1 << 40):
        monkeypatch.setattr(image_files, "KEPT", limit)
        monkeypatch.setattr(image_files, "RESIDENT", 0)
        run = ganzoo.run(recipe, out=tmp_path / "runs", device="cpu", quiet=True)
        path = checkpoints(run.folder.checkpoints)[0]
        ends.append(checkpoint.read_checkpoint(path)[0])

    assert len(kept(root)) == 1
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_the_command_line_says_what_is_kept_and_removes_it(root: DataRoot) -> None:
    def call(*words: str) -> str:
        return CliRunner().invoke(command, words, catch_exceptions=False).output

    SPEC.build(root)
    cache = root.path / "cache"
    size = kept(root)[0].stat().st_size
    (cache / "images" / "0.pixels.part").write_bytes(b"left")
    (cache / "images" / "other.txt").write_bytes(b"mine")

    listed = call("data", "cache", "list")
    assert f"{size:,} bytes, last used 20" in listed
    assert f"24 images 3×8×8 of '{root.path / 'set'}'" in listed
    assert "not whole: '0.pixels.part'" in listed
    assert {each["bytes"] for each in json.loads(call("data", "cache", "list", "--json"))["kept"]}
    assert f"'{cache}'" in call("doctor")
    assert "removed 2 files of cached images" in call("data", "cache", "clear")
    assert [path.name for path in (cache / "images").iterdir()] == ["other.txt"]
