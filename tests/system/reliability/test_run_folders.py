"""Run folders that somebody else wrote: a part of ``benchmarks.run_folders``, in this process."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from benchmarks import run_folders
from benchmarks.run_folders import Attack, attacks, attempt, lay_out

QUICK = (
    "list", "show", "report", "live page", "sample", "completion", "board", "tag", "remove",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run, a stopped one, and what lies outside of them."""
    made = tmp_path_factory.mktemp("attacked")
    lay_out(made)
    return made


def test_no_command_reads_or_writes_outside_waits_or_breaks(folder: Path) -> None:
    kinds: dict[str, set[str]] = {}
    commands = itertools.cycle(QUICK)
    for number, attack in enumerate(attacks(forgeries=1)):
        if attack.study or number % 5:
            continue
        command = next(commands)
        kinds.setdefault(attack.kind, set()).add(command)
        assert attempt(command, attack, folder, here=True).fault == "", (command, attack)

    assert {"link out", "link in", "dangling link", "pipe", "folder", "huge", "deep JSON"} <= {
        *kinds
    }


@pytest.mark.parametrize("target", ["log.jsonl", "samples", "checkpoints"])
def test_a_run_is_not_gone_on_with_through_a_link(folder: Path, target: str) -> None:
    attack = next(one for one in attacks(0) if (one.kind, one.target) == ("link out", target))

    found = attempt("resume", attack, folder, here=True)

    assert (found.code, found.fault) == (4, "")


def test_the_attempts_notice_what_is_read_and_what_is_changed_outside(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leak(root: Path, run: Path) -> None:  # noqa: ARG001
        print((run / "report.html").read_text())

    def spoil(root: Path, run: Path) -> None:  # noqa: ARG001
        (run / "report.html").write_text("")

    attack = next(
        one for one in attacks(0) if (one.kind, one.target) == ("link out", "report.html")
    )
    monkeypatch.setitem(run_folders.CALLS, "live page", leak)
    leaked = attempt("live page", attack, folder, here=True)
    monkeypatch.setitem(run_folders.CALLS, "live page", spoil)
    spoiled = attempt("live page", attack, folder, here=True)

    assert leaked.fault
    assert "changed outside" in spoiled.fault
    nothing = Attack("nothing", "", lambda run, outside: None)  # noqa: ARG005
    assert attempt("live page", nothing, folder, here=True).fault == ""


def test_a_hanging_command_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folders, "PATIENCE", 0.2)
    monkeypatch.setitem(
        run_folders.CALLS,
        "live page",
        lambda root, run: os.read(os.open(run / "status.json", os.O_RDONLY), 1),  # noqa: ARG005
    )
    attack = next(one for one in attacks(0) if (one.kind, one.target) == ("pipe", "status.json"))

    assert attempt("live page", attack, folder).fault == "hangs"
