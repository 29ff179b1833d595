"""A write that fails names the file, the reason and what helps."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from ganzoo.common.errors import MachineError
from ganzoo.common.files import TEMPORARY, cannot_write, publish

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("files", "left", "free", "told"),
    [
        (1000, 0, 10**9, "no more files can be created there, whatever their size; remove some or"),
        (1000, 5, 10**9, "2.0 MB are needed; make room or"),
        (1000, 0, 0, "2.0 MB are needed; make room or"),
        (0, 0, 10**9, "2.0 MB are needed; make room or"),
    ],
    ids=["no inodes", "both left", "neither left", "a system without inodes"],
)
def test_out_of_inodes_says_files_and_not_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, left: int, free: int, told: str
) -> None:
    found = SimpleNamespace(f_files=files, f_favail=left, f_bavail=free)
    monkeypatch.setattr(os, "statvfs", lambda _: found, raising=False)

    assert told in str(cannot_write(tmp_path / "missing" / "file", FULL, 2_000_000))


def test_a_small_file_that_does_not_fit_does_not_need_0_mb(tmp_path: Path) -> None:
    assert "300 bytes are needed" in str(cannot_write(tmp_path / "file", FULL, 300))


def test_a_file_that_cannot_be_published_leaves_nothing_and_says_how_to_go_elsewhere(
    tmp_path: Path,
) -> None:
    (tmp_path / "in the way").touch()

    with pytest.raises(MachineError, match=r"in the way/a/file.*or take another"):
        publish(tmp_path / "in the way" / "a" / "file", "text", "take another")

    assert not list(tmp_path.rglob(f"*{TEMPORARY}*"))


@pytest.mark.parametrize("inner", ["x.png", "deeper/x.png"])
def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path, inner: str) -> None:
    (tmp_path / "taken").write_text("mine")

    with pytest.raises(MachineError, match=r"cannot write '.*x\.png': (File exists|Not a dir)"):
        publish(tmp_path / "taken" / inner, "content")

    assert (tmp_path / "taken").read_text() == "mine"
