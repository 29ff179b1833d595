"""Every console shows what ganzoo writes, whatever characters its encoding has."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from floors import GANZOO

from ganzoo.cli import output
from ganzoo.cli.output import open_streams


def test_characters_that_the_encoding_lacks_become_plain_ones(tmp_path: Path) -> None:
    path = tmp_path / "ascii"

    open_streams()
    path.write_text("1×28×28 … α Λ ⁿ x̂ 猫", encoding="ascii", errors="ganzoo")

    assert path.read_text() == "1x28x28 ... alpha lambda n x ?"


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "cp850", "cp932", "ascii"])
def test_a_windows_console_shows_every_character_of_ours(encoding: str) -> None:
    ours = {
        character
        for folder in (GANZOO, GANZOO.parent / "plugins")
        for path in folder.rglob("*.py")
        for character in path.read_text(encoding="utf-8")
    }
    shown = [character for character in sorted(ours) if character.isprintable()]

    open_streams()

    told = {one: one.encode(encoding, "ganzoo").decode(encoding) for one in shown}
    assert [one for one, text in told.items() if "?" in text] == ["?"]


def test_tables_and_messages_go_to_a_cp1252_console(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="cp1252") for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    open_streams()

    output.show_table("λ", ["✓ done", "Δ"], [["→", "猫"]])
    output.warn("‖∇D‖₂ … 1×28×28")

    written = [stream.buffer.getvalue().decode("cp1252") for stream in flushed(streams)]
    assert [line.split() for line in written[0].splitlines()] == [
        ["lambda"], ["+", "done", "delta"], ["->", "?"],
    ]  # fmt: skip
    assert written[1] == "WARNING |grad D|2 … 1×28×28\n"


def flushed(streams: list[io.TextIOWrapper]) -> list[Any]:
    """Return the streams with everything on its way to where it goes."""
    for stream in streams:
        stream.flush()
    return streams
