"""ganzoo where there is no POSIX: the command line on a stand-in for Windows, the rest alone."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from floors import GANZOO
from posix_only import imports_posix, needs_posix

HERE = Path(__file__).parent
ROOT = GANZOO.parent
ONLY_SYSTEM = {
    *("fcntl", "resource", "msvcrt", "termios", "pwd", "grp", "SIGHUP", "SIGPIPE", "SIGALRM"),
    *("SIGKILL", "SIGUSR1", "SIGQUIT", "SIGBREAK", "setitimer", "fork", "kill", "killpg"),
    *("setsid", "geteuid", "getuid", "sched_getaffinity", "getloadavg", "O_NONBLOCK"),
    *("O_NOFOLLOW", "O_CLOEXEC", "O_DIRECTORY", "statvfs", "uname", "mkfifo", "pthread_kill"),
}
"""Names of modules and attributes that some systems have not."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Run the session once; return what each of its commands did."""
    if not Path("/proc/self/maps").exists():
        pytest.skip("the stand-in sees in /proc which files are open")
    folder = tmp_path_factory.mktemp("windows")
    (folder / "notes").touch()
    environment = {
        **os.environ,
        "STAND_IN_NOTES": str(folder / "notes"),
        "PYTHONPATH": str(HERE / "stand_in"),
        "PYTHONWARNDEFAULTENCODING": "1",
        "GANZOO_BLOCK": "*",
        "GANZOO_OFFLINE": "1",
        "GANZOO_DATA": str(folder / "data"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, str(HERE / "session.py")],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    found["notes"] = {"code": 0, "out": (folder / "notes").read_text(), "err": done.stderr}
    found["folder"] = {"out": str(folder)}
    return found


CODES = {
    "help": 0,
    "check": 0,
    "wrong": 2,
    "device": 2,
    "run": 0,
    "stopped": 130,
    "resume": 0,
    "whole": 0,
    "workers": 0,
    "sample": 0,
    "film": 0,
    "report": 0,
    "list": 0,
    "doctor": 0,
    "ablate": 0,
    "tag": 0,
    "logs": 0,
    "prune": 0,
    "remove": 0,
}


def test_every_command_ends_as_it_does_elsewhere(told: dict[str, dict[str, Any]]) -> None:
    ended = {name: told[name]["code"] for name in CODES}

    assert ended == CODES, {name: told[name]["err"] for name in CODES if ended[name] != CODES[name]}


def test_nothing_was_asked_that_windows_refuses(told: dict[str, dict[str, Any]]) -> None:
    # The C++ library says this of a process that is ended while its libraries start threads.
    err = told["notes"]["err"].replace("terminate called without an active exception\n", "")
    assert (told["notes"]["code"], told["notes"]["out"], err) == (0, "", "")


def test_a_cp1252_console_shows_everything(told: dict[str, dict[str, Any]]) -> None:
    shown = "\n".join(told[name][key] for name in CODES for key in ("out", "err"))
    lines = shown.split("\n")

    assert [line for line in lines if "?" in line and "did you mean" not in line] == []
    assert "building networks …" in told["run"]["err"]
    assert "lr: 0.0002 -> 1e-05" in told["ablate"]["out"]


def test_ctrl_c_saves_and_a_resumed_run_is_the_whole_one(told: dict[str, dict[str, Any]]) -> None:
    folder = Path(told["folder"]["out"])
    (stopped,), (whole,) = (list(folder.glob(f"{at}/tiny/*")) for at in ("runs", "whole"))

    assert "interrupted  at step 4 of 6" in told["stopped"]["err"]
    assert "stopped by Ctrl-C" in told["stopped"]["err"]
    for name in ("generator.safetensors", "samples/step-000006.png"):
        assert (stopped / name).read_bytes() == (whole / name).read_bytes()
    assert b"\r" not in (stopped / "recipe.toml").read_bytes()
    assert b"\r" not in (stopped / "log.jsonl").read_bytes()


def test_no_folder_or_option_means_a_device(told: dict[str, dict[str, Any]]) -> None:
    assert [path.name for path in Path(told["folder"]["out"]).glob("runs/con*")] == ["con_"]
    assert "'nul' is a device on Windows" in told["device"]["err"]


def test_a_removed_run_is_gone(told: dict[str, dict[str, Any]]) -> None:
    assert told["remove"]["out"].startswith("removed run ")
    assert list(Path(told["folder"]["out"]).glob("many/*")) == []


def test_two_workers_shared_the_ablation(told: dict[str, dict[str, Any]]) -> None:
    statuses = [
        json.loads(path.read_text())
        for path in Path(told["folder"]["out"]).glob("runs/small/cell-*/status.json")
    ]

    assert [status["status"] for status in statuses] == ["done", "done"]
    assert len({status["pid"] for status in statuses}) == 2


def sources() -> list[Path]:
    """Return the files of ganzoo and of its plugins."""
    return [*GANZOO.rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]


def test_one_module_alone_asks_which_system_this_is() -> None:
    found = []
    for path in sources():
        if path == GANZOO / "common" / "system.py" or "templates" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: set[str] = set()
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id in {"os", "signal"}:
                    names = {node.attr} & ONLY_SYSTEM
                names |= {f"{node.value.id}.{node.attr}"} & {"sys.platform", "os.name"}
            elif isinstance(node, ast.Import) or (
                isinstance(node, ast.ImportFrom) and node.module in {"os", "signal"}
            ):
                names = {each.name for each in node.names} & ONLY_SYSTEM
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                names = {node.value} if node.value.startswith("/proc/") else set()
            found += [f"{path.relative_to(ROOT)}:{node.lineno}: {name}" for name in names]

    assert found == []


def test_every_text_file_is_opened_with_its_encoding() -> None:
    found = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            given = {each.arg for each in node.keywords}
            if called in {"read_text", "write_text"} and "encoding" not in given:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {called}")

    assert found == []


def in_plain_words(path: Path) -> str:
    """Use nothing that only some systems have."""
    return path.read_text(encoding="utf-8")


def by_a_link(path: Path) -> None:
    """Use what Windows gives to few."""
    path.symlink_to("elsewhere")


def test_tests_that_need_posix_are_known_by_what_they_call() -> None:
    def directly(tmp_path: Path) -> None:
        tmp_path.chmod(0o500)

    def by_a_helper(tmp_path: Path) -> None:
        by_a_link(tmp_path)

    def not_at_all(tmp_path: Path) -> None:
        in_plain_words(tmp_path)

    assert [needs_posix(each) for each in (directly, by_a_helper, not_at_all)] == [
        True, True, False,
    ]  # fmt: skip
    assert imports_posix(ROOT / "tests" / "system" / "reliability" / "test_signals.py")
    assert not imports_posix(Path(__file__))
