"""A log of any length is read in little time and memory, and nothing that matters is lost."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from pathlib import Path

import pytest

from ganzoo.runs import thinned as module
from ganzoo.runs.folder import RunDir
from ganzoo.runs.thinned import read_thinned, thinned


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENOUGH", 64)
    monkeypatch.setattr(module, "LONGEST", 200)


def lines(count: int) -> list[bytes]:
    return [json.dumps({"step": step, "d/loss": 0.5}).encode() + b"\n" for step in range(count)]


def steps(content: list[bytes]) -> list[int]:
    return [entry["step"] for entry in thinned(io.BytesIO(b"".join(content)))]


def test_a_log_that_is_not_long_is_read_whole() -> None:
    assert steps(lines(64)) == list(range(64))


@pytest.mark.parametrize("count", [65, 100, 1000, 5003])
def test_of_a_long_log_evenly_spaced_lines_and_the_last_are_kept(count: int) -> None:
    found = steps(lines(count))

    assert found[0] == 0
    assert found[-1] == count - 1
    assert 32 <= len(found) <= 65
    assert len({b - a for a, b in pairwise(found[:-1])}) == 1


def test_measures_and_the_first_number_that_is_not_finite_are_never_left_out() -> None:
    log = lines(3000)
    for at in (1501, 2003):
        log[at] = json.dumps({"step": at, "m/frechet": 3.0}).encode() + b"\n"
    for at in (2901, 2903):
        log[at] = json.dumps({"step": at, "d/loss": None}).encode() + b"\n"

    found = steps(log)

    assert {1501, 2003, 2901} <= set(found)
    assert 2903 not in found


def test_torn_foreign_and_endless_lines_are_left_out() -> None:
    log = [*lines(3), b"rubbish\n", b"[1]\n", b" " * 999 + b"{}\n", *lines(4)[3:], b'{"step": 9']

    assert steps(log) == [0, 1, 2, 3]


def test_a_log_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert read_thinned(RunDir(tmp_path)) == []


def test_of_a_log_as_large_as_nobody_writes_the_end_is_read(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.log.write_bytes(b"".join(lines(50)))
    size = len(lines(50)[-1])

    found = read_thinned(run, 10 * size + 5)

    assert [entry["step"] for entry in found] == list(range(40, 50))
    assert read_thinned(run, 10**9) == read_thinned(run)
