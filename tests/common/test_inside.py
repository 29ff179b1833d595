"""Files inside a folder that somebody else wrote: no link, no pipe, no flood; with and without
descriptors of folders, which not every system has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ganzoo.common import inside
from ganzoo.common.errors import RefusedError
from ganzoo.common.files import MOST_DEPTH, append_line, parse_json, publish, sweep


@pytest.fixture(params=["by descriptor", "by path"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with files in it, beside another with secrets."""
    if request.param == "by path":
        monkeypatch.setattr(inside, "_BY_DESCRIPTOR", False)
    (tmp_path / "outside" / "samples").mkdir(parents=True)
    (tmp_path / "outside" / "samples" / "a.png").write_text("secret")
    made = tmp_path / "run"
    (made / "samples").mkdir(parents=True)
    (made / "samples" / "a.png").write_text("own")
    return made


def test_a_file_inside_is_read_also_through_a_link_to_the_folder_itself(folder: Path) -> None:
    (folder.parent / "link").symlink_to(folder)

    for root in (folder, folder.parent / "link"):
        assert inside.read_inside(root, "samples", "a.png", most=3) == b"own"
        assert inside.list_inside(root, "samples") == ["a.png"]
        assert inside.find_inside(root, "samples", "a.png") is not None
    assert inside.read_inside(folder, "samples", "a.png", most=2, only_end=True) == b"wn"


@pytest.mark.parametrize(
    ("lay", "told"),
    [
        (lambda path: path.symlink_to("../../outside/samples/a.png"), "a symbolic link"),
        (lambda path: path.symlink_to("b.png"), "a symbolic link"),
        (os.mkfifo, "a pipe"),
        (os.mkdir, "a folder"),
        (lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_RDWR), 10**10), "10,000,000,000"),
    ],
)
def test_what_is_no_small_file_is_refused_at_once(folder: Path, lay: object, told: str) -> None:
    path = folder / "samples" / "a.png"
    path.rename(folder / "samples" / "b.png")
    lay(path)  # type: ignore[operator]

    with pytest.raises(RefusedError, match=f"{path}.*{told}"):
        inside.read_inside(folder, "samples", "a.png", most=1000)


def test_a_folder_that_is_a_link_is_neither_read_nor_written(folder: Path) -> None:
    (folder / "samples").rename(folder / "kept")
    (folder / "samples").symlink_to("../outside/samples")

    with pytest.raises(RefusedError, match="samples' is a symbolic link"):
        inside.read_inside(folder, "samples", "a.png", most=1000)
    with pytest.raises(RefusedError, match="samples' is a symbolic link"):
        inside.writable_inside(folder, "samples", "new.png")
    assert inside.list_inside(folder, "samples") == []
    assert inside.find_inside(folder, "samples", "a.png") is None


@pytest.mark.parametrize("name", ["..", ".", "", "../outside", "/etc/passwd", "a/b", "a\0b"])
def test_a_name_never_leads_out(folder: Path, name: str) -> None:
    with pytest.raises(RefusedError, match="not a file name"):
        inside.read_inside(folder, name, most=1000)
    with pytest.raises(RefusedError, match="not a file name"):
        inside.writable_inside(folder, "samples", name)


def test_writing_follows_no_link_either(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in ("log.jsonl", "status.json", f"status.json.tmp-{os.getpid()}"):
        (tmp_path / name).symlink_to(victim)

    publish(tmp_path / "status.json", "new")
    with pytest.raises(Exception, match=r"cannot write '.*log\.jsonl'"):
        append_line(tmp_path / "log.jsonl", "a line")
    (tmp_path / "x.tmp-1").symlink_to(victim)
    (tmp_path / "y.tmp-1").mkdir()
    sweep(tmp_path)

    assert victim.read_text() == "precious"
    assert (tmp_path / "status.json").read_text() == "new"
    assert not (tmp_path / "x.tmp-1").is_symlink()


def test_json_is_read_to_the_depth_that_is_written_and_no_deeper() -> None:
    assert parse_json(b"[" * MOST_DEPTH + b"]" * MOST_DEPTH)
    for depth in (MOST_DEPTH + 2, 900, 200_000):
        with pytest.raises(ValueError, match="too deep"):
            parse_json(b'{"a":' * depth + b"1" + b"}" * depth)
