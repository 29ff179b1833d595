"""What is done another way where a system lacks the usual one."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock
from local_server import LocalServer, whole

from ganzoo.common import system
from ganzoo.common.data_root import DataRoot
from ganzoo.common.errors import MachineError
from ganzoo.common.fetch import FetchError, fetch
from ganzoo.common.files import publish


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the module believe that this is Windows."""
    monkeypatch.setattr(system, "IS_WINDOWS", True)
    monkeypatch.setattr(system, "IS_LINUX", False)
    monkeypatch.setattr(system, "fcntl", None)


def refusing(monkeypatch: pytest.MonkeyPatch, times: int) -> list[str]:
    """Have ``os.replace`` refuse so many times, as if somebody read the file; count its calls."""
    done: list[str] = []
    real = os.replace

    def replace(source: str, target: str) -> None:
        done.append("asked")
        if len(done) <= times:
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    return done


@pytest.mark.usefixtures("windows")
def test_a_file_that_somebody_reads_is_replaced_once_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = refusing(monkeypatch, 3)

    publish(tmp_path / "status.json", "{}")

    assert (tmp_path / "status.json").read_text() == "{}"
    assert len(done) == 4


@pytest.mark.usefixtures("windows")
def test_a_file_that_stays_open_is_told_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(monkeypatch, 10**6)
    monkeypatch.setattr(system, "PATIENCE_S", 0.1)

    with pytest.raises(MachineError, match="close what has it open"):
        publish(tmp_path / "status.json", "{}")

    assert list(tmp_path.iterdir()) == []


def test_elsewhere_a_refusal_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = refusing(monkeypatch, 1)

    with pytest.raises(MachineError, match="cannot write"):
        publish(tmp_path / "status.json", "{}")

    assert len(done) == 1


@pytest.mark.usefixtures("windows")
def test_without_flock_a_lock_is_seen_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    assert not system.is_locked(path)
    assert not path.exists()

    with FileLock(path):
        assert system.is_locked(path)
    assert not system.is_locked(path)


@pytest.mark.usefixtures("windows")
def test_without_flock_two_that_want_the_same_file_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "data.part"
    order: list[str] = []

    def second() -> None:
        with system.alone(path):
            order.append("second")

    with system.alone(path):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join(10)

    assert order == ["first", "second"]


@pytest.mark.usefixtures("windows")
def test_a_download_ends_with_its_file_alone_where_open_files_cannot_be_renamed(
    tmp_path: Path, server: LocalServer
) -> None:
    target = tmp_path / "set" / "file.zip"
    root = DataRoot(target.parent)

    fetch(server.url("/file.zip", whole(b"content")), target, root)
    with pytest.raises(FetchError):
        fetch(server.url("/other.zip", whole(b"other")), tmp_path / "a" / "b.zip", root, size=9)

    # The lock files stay because it is no Windows: there, who unlocks them removes them.
    found = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"file.zip", "file.zip.part.lock", "b.zip.part.lock"}
    assert target.read_bytes() == b"content"


def test_without_timers_a_thread_rings_in_the_main_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "setitimer")
    before = signal.getsignal(signal.SIGFPE)
    rung: list[bool] = []

    class EnoughError(Exception):
        pass

    def ring(number: int, frame: object) -> None:  # noqa: ARG001
        rung.append(threading.current_thread() is threading.main_thread())
        if len(rung) == 3:
            raise EnoughError

    def compute() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            pass

    with pytest.raises(EnoughError), system.ringing(0.01, ring):
        compute()

    assert rung == [True] * 3
    assert signal.getsignal(signal.SIGFPE) == before


@pytest.mark.usefixtures("windows")
def test_lines_to_type_are_quoted_for_windows() -> None:
    assert system.quoted(Path("runs") / "a b") == '"' + str(Path("runs") / "a b") + '"'
    assert system.shell_line(["ganzoo", "run", r"C:\a\b.toml"]) == r"ganzoo run C:\a\b.toml"


def test_a_closed_pipe_is_known_by_its_windows_name(monkeypatch: pytest.MonkeyPatch) -> None:
    invalid = OSError(errno.EINVAL, "Invalid argument")
    assert system.is_closed_pipe(BrokenPipeError())
    assert not system.is_closed_pipe(invalid)

    monkeypatch.setattr(system, "IS_WINDOWS", True)

    assert system.is_closed_pipe(invalid)
    assert not system.is_closed_pipe(OSError(errno.EINVAL, "Invalid argument", "a:b.png"))


@pytest.mark.usefixtures("windows")
def test_gpus_are_counted_by_nvidias_own_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "GPU 0: NVIDIA A (UUID: GPU-1)\nGPU 1: NVIDIA B (UUID: GPU-2)\n"
    done = subprocess.CompletedProcess([], 0, told, "")
    monkeypatch.setattr(subprocess, "run", lambda *words, **named: done)  # noqa: ARG005
    assert system.count_nvidia_gpus() == 2

    def missing(*words: object, **named: object) -> None:  # noqa: ARG001
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", missing)
    assert system.count_nvidia_gpus() == 0


def test_signals_that_a_system_has_not_are_not_asked_for() -> None:
    code = (
        "import signal, sys\n"
        "for name in ('SIGHUP', 'SIGALRM', 'SIGPIPE', 'setitimer'): delattr(signal, name)\n"
        "sys.modules['fcntl'] = sys.modules['resource'] = None\n"
        "import warnings; warnings.simplefilter('ignore')\n"
        "import ganzoo.cli.app, ganzoo.runs.record, ganzoo.plugin.limits, ganzoo.ablate.local\n"
        "from ganzoo.common import system\n"
        "print([number.name for number in system.STOPPING], system.HANGUP, system.fcntl)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.stdout == "['SIGINT', 'SIGTERM'] None None\n", done.stderr
