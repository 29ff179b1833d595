"""A stand-in for Windows, for machines that have none: Python imports this before anything else.

To ganzoo and its plugins, and to nobody else, the system looks like Windows: names that it has not
are not there, files that are open are neither replaced nor removed, folders are not opened. Locks
are soft, processes are spawned. What would only break there is written into the file that
STAND_IN_NOTES names, because an exception may be caught.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import sys
import traceback
import types
import warnings
from typing import Any

SIGNALS = {"SIGABRT", "SIGBREAK", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM"}
SIGNALS |= {"SIG_DFL", "SIG_IGN"}
POSIX_SIGNALS = {name for name in dir(signal) if name.startswith("SIG")} - SIGNALS
POSIX_SIGNALS |= {"alarm", "getitimer", "setitimer", "pause", "pthread_kill", "pthread_sigmask"}
POSIX_SIGNALS |= {"sigpending", "sigwait", "sigtimedwait", "siginterrupt", "ITIMER_REAL"}
POSIX = {
    *("O_CLOEXEC", "O_NONBLOCK", "O_NOFOLLOW", "O_DIRECTORY", "O_SYNC", "O_DIRECT", "O_PATH"),
    *("getuid", "geteuid", "getgid", "getegid", "getgroups", "getpgid", "getpgrp", "getsid"),
    *("setsid", "setpgid", "setuid", "killpg", "fork", "forkpty", "wait", "wait3", "wait4"),
    *("WNOHANG", "waitid", "uname", "statvfs", "fstatvfs", "sync", "nice", "getpriority"),
    *("sched_getaffinity", "sched_setaffinity", "sched_yield", "getloadavg", "sysconf", "confstr"),
    *("mkfifo", "mknod", "chown", "fchown", "lchown", "fchdir", "pread", "pwrite", "fdatasync"),
    *("posix_fallocate", "posix_fadvise", "memfd_create", "openpty", "ttyname", "ctermid"),
    *("getxattr", "setxattr", "sendfile", "register_at_fork", "fwalk", "fchmod"),
}
MODULES = ("fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "syslog", "crypt", "posix")
BINARY = 1 << 30
BETWEEN = ("pathlib", "shutil", "contextlib", "tempfile", "glob")
"""Modules of the standard library that hand a call on."""

SHOWN: dict[str, types.ModuleType] = {}
"""Modules that ganzoo gets instead of the real ones."""

real_open, real_io_open, real_import = os.open, io.open, __import__
real_replace, real_rename, real_unlink, real_kill = os.replace, os.rename, os.unlink, os.kill


def is_ours(depth: int = 2) -> bool:
    """Tell whether ganzoo made the call that led here."""
    frame = sys._getframe(depth)
    while frame.f_back is not None and module_of(frame).partition(".")[0] in BETWEEN:
        frame = frame.f_back
    return module_of(frame).startswith("ganzoo")


def module_of(frame: types.FrameType) -> str:
    """Return the name of a frame's module."""
    return str(frame.f_globals.get("__name__", ""))


def note(what: str) -> None:
    """Write down what Windows would not do, and who asked for it."""
    places = [f"{place.filename}:{place.lineno}" for place in traceback.extract_stack()]
    ours = [place for place in places if "ganzoo" in place and "sitecustomize" not in place]
    with real_io_open(os.environ["STAND_IN_NOTES"], "a", encoding="utf-8") as file:
        file.write(f"{what} at {' < '.join(reversed(ours[-3:]))}\n")


class Windows(types.ModuleType):
    """A module as ganzoo finds it on Windows: some names are missing, or mean something else."""

    def __new__(cls, module: types.ModuleType, other: dict[str, Any]) -> Windows:
        """Make one of the real module and what differs; None for what is missing."""
        new = super().__new__(cls, module.__name__)
        object.__getattribute__(new, "__dict__").update(real=module, other=other)
        return new

    def __init__(self, module: types.ModuleType, other: dict[str, Any]) -> None:
        """Leave it as it is."""

    def __getattribute__(self, name: str) -> Any:
        """Return what the module has."""
        inner = object.__getattribute__(self, "__dict__")
        if name not in inner["other"]:
            return getattr(inner["real"], name)
        if inner["other"][name] is None:
            raise AttributeError(f"Windows has no {inner['real'].__name__}.{name}")
        return inner["other"][name]

    def __setattr__(self, name: str, value: Any) -> None:
        """Set it for everybody."""
        setattr(object.__getattribute__(self, "__dict__")["real"], name, value)


def is_open(path: Any) -> bool:
    """Tell whether this process has the file open, or mapped."""
    wanted = os.path.realpath(path)
    if not os.path.isfile(wanted):
        return False
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{descriptor}") == wanted:
                return True
        except OSError:
            continue
    with real_io_open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        return any(line.rstrip("\n").endswith(wanted) for line in maps)


def refuse_open(verb: str, *paths: Any) -> None:
    """Refuse to rename or remove what is open, as Windows does."""
    for path in paths:
        if is_open(path):
            note(f"{verb} {path}, which is open")
            raise PermissionError(13, "The process cannot access the file", str(path))


def windows_open(path: Any, flags: int, *others: Any, **named: Any) -> int:
    """Open a file, but no folder; one in text mode would translate line ends."""
    if not flags & BINARY and path != os.devnull:
        note(f"opened {path} in text mode")
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", str(path))
    if str(path).endswith(".lock"):
        note(f"opened {path}, which may be locked")
    return real_open(path, flags & ~BINARY, *others, **named)


def windows_io_open(file: Any, *others: Any, **named: Any) -> Any:
    """Open a file, but none that may be locked: other processes cannot read it then."""
    if isinstance(file, str | os.PathLike) and str(file).endswith(".lock") and is_ours():
        note(f"opened {file}, which may be locked")
    return real_io_open(file, *others, **named)


def windows_replace(source: Any, target: Any, **named: Any) -> None:
    """Rename a file over another, unless one is open."""
    if is_ours():
        refuse_open("replaced", source, target)
    real_replace(source, target, **named)


def windows_rename(source: Any, target: Any, **named: Any) -> None:
    """Rename a file, over none."""
    if is_ours():
        refuse_open("renamed", source)
        if os.path.exists(target):
            note(f"renamed over {target}")
            raise FileExistsError(17, "File exists", str(target))
    real_rename(source, target, **named)


def windows_unlink(path: Any, **named: Any) -> None:
    """Remove a file that is not open."""
    if is_ours():
        refuse_open("removed", path)
    real_unlink(path, **named)


def windows_kill(pid: int, number: int) -> None:
    """End the process, whatever the signal: there is no other way on Windows."""
    note(f"os.kill({pid}, {number})")
    real_kill(pid, number)


def windows_import(name: str, globals: Any = None, *others: Any, **named: Any) -> Any:  # noqa: A002
    """Import a module, if ganzoo would find it on Windows."""
    asker = str((globals or {}).get("__name__", ""))
    if asker.startswith("ganzoo"):
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        if name in SHOWN:
            return SHOWN[name]
    return real_import(name, globals, *others, **named)


def take_away() -> None:
    """Make it so."""
    for name in ("fcntl", "resource"):
        sys.modules[name] = None  # type: ignore[assignment]
    del os.fork, os.forkpty
    multiprocessing.set_start_method("spawn")
    io.open = windows_io_open  # type: ignore[assignment]
    os.replace, os.rename = windows_replace, windows_rename
    os.unlink = os.remove = windows_unlink
    here = {"name": "nt", "O_BINARY": BINARY, "open": windows_open, "kill": windows_kill}
    SHOWN["os"] = Windows(os, {**dict.fromkeys(POSIX), **here})
    SHOWN["signal"] = Windows(signal, dict.fromkeys(POSIX_SIGNALS))
    SHOWN["sys"] = Windows(sys, {"platform": "win32"})
    import builtins

    builtins.open = windows_io_open  # type: ignore[assignment]
    builtins.__import__ = windows_import
    warnings.filterwarnings("ignore", "only soft file lock")
    warnings.filterwarnings("ignore", category=EncodingWarning)
    warnings.filterwarnings("error", category=EncodingWarning, module="ganzoo")


take_away()
