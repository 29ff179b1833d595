"""Files are written whole, or refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganzoo.common.errors import MachineError
from ganzoo.common.files import publish


@pytest.mark.parametrize("inner", ["x.png", "deeper/x.png"])
def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path, inner: str) -> None:
    (tmp_path / "taken").write_text("mine")

    with pytest.raises(MachineError, match=r"cannot write '.*x\.png': (File exists|Not a dir)"):
        publish(tmp_path / "taken" / inner, "content")

    assert (tmp_path / "taken").read_text() == "mine"
