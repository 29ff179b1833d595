"""What the operating system can do: the one place that asks which of them this is.

What a system lacks is left out here, or done another way; nobody above needs to know which it is.
"""

from __future__ import annotations

import _thread
import errno
import os
import platform
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, ModuleType

try:
    import fcntl as _fcntl
except ImportError:  # Windows
    fcntl: ModuleType | None = None
else:
    fcntl = _fcntl

IS_WINDOWS = sys.platform == "win32"
IS_LINUX = sys.platform == "linux"

STOPPING = tuple(
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
)
"""Signals by which a user or the system stops a command; SIGBREAK is Windows' Ctrl-Break."""
HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)
"""Sent when a terminal goes away, where there is such a signal."""
CLOSED_PIPE = 128 + 13
"""Exit code of a command whose reader has left; 13 is SIGPIPE, also where there is none."""
PATIENCE_S = 2.0
"""How long a file that somebody reads is waited for, where open files cannot be replaced."""


Handler = Callable[[int, FrameType | None], None]
"""What Python calls when a signal has come."""


CAN_FORK = hasattr(os, "fork")


def fork() -> int:
    """Return 0 in a copy of this process, and the copy's number here; see ``CAN_FORK``."""
    if sys.platform == "win32":
        raise OSError(errno.ENOSYS, "this system cannot fork")
    return os.fork()


def flags(*names: str) -> int:
    """Return those of ``os.open``'s flags that this system has; of the others, nothing."""
    return sum(getattr(os, name, 0) for name in names)


WHOLE = flags("O_CLOEXEC", "O_BINARY")
"""For every ``os.open``: not for child processes, and no byte translated on Windows."""
AT_ONCE = WHOLE | flags("O_NONBLOCK")
"""For a file that may be a pipe: opening does not wait for somebody to write into it."""


def replace(source: str | Path, target: Path) -> None:
    """Rename a file over another. Where an open target is in the way, wait for its reader a moment.

    Raises:
        OSError: if the system refuses.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            os.replace(source, target)
        except PermissionError:
            if not IS_WINDOWS or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` survive a power cut, where folders can be flushed."""
    if IS_WINDOWS:
        return
    descriptor = os.open(folder, os.O_RDONLY | WHOLE)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock file ``path``; nothing is written to look."""
    if fcntl is None:
        return _is_taken(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | AT_ONCE | flags("O_NOFOLLOW"))
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _is_taken(path: Path) -> bool:
    """Return whether the lock cannot be had; it is let go again at once."""
    if path.is_symlink() or not path.exists():
        return False
    from filelock import FileLock, Timeout

    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process works on ``path``, by a lock file beside it.

    Only for systems without ``flock``, which locks the file itself; there it does nothing.
    """
    if fcntl is not None:
        yield
        return
    from filelock import FileLock

    with FileLock(path.with_name(f"{path.name}.lock")):
        yield


def lock(descriptor: int) -> None:
    """Wait for the lock of an open file, where there are such locks; it dies with the file."""
    if fcntl is not None:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)


@contextmanager
def ringing(interval: float, ring: Handler) -> Iterator[None]:
    """Call ``ring`` in the main thread every ``interval`` seconds; what it raises arrives there.

    By a timer's signal, after which an alarm that was already set goes on; where there are no
    timers, by a thread, which does not wake who sleeps.
    """
    if sys.platform != "win32" and hasattr(signal, "setitimer"):
        start = time.monotonic()
        handler = signal.signal(signal.SIGALRM, ring)
        remaining, before = signal.setitimer(signal.ITIMER_REAL, interval, interval)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if handler is not None:  # None: set by something other than Python
                signal.signal(signal.SIGALRM, handler)
            if remaining:
                left = max(remaining - (time.monotonic() - start), 1e-3)
                signal.setitimer(signal.ITIMER_REAL, left, before)
        return
    # One of the few signals that every system has, and that nobody sends.
    handler = signal.signal(signal.SIGFPE, ring)
    is_over = threading.Event()

    def interrupt() -> None:
        while not is_over.wait(interval):
            _thread.interrupt_main(signal.SIGFPE)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        signal.signal(signal.SIGFPE, signal.SIG_DFL if handler is None else handler)


def is_closed_pipe(error: OSError) -> bool:
    """Return whether a write failed because its reader has left; Windows calls that an argument."""
    if isinstance(error, BrokenPipeError):
        return True
    return IS_WINDOWS and error.errno == errno.EINVAL and error.filename is None


def shell_line(words: Sequence[str | Path]) -> str:
    """Return ``words`` as a line that this system's shell takes as just these words."""
    texts = [str(word) for word in words]
    if not IS_WINDOWS:
        return shlex.join(texts)
    import subprocess

    return subprocess.list2cmdline(texts)


def quoted(word: str | Path) -> str:
    """Return ``word`` as this system's shell takes it."""
    return shell_line([word])


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_name() -> str:
    """Return the name people know the processor by."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as info:
        names = [line.partition(":")[2].strip() for line in info if "model name" in line]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def peak_memory_mib() -> float:
    """Return the most memory that this process has held so far, in MiB; 0 where nobody knows."""
    if sys.platform == "win32":
        return 0.0
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def starved_seconds() -> float | None:
    """Return for how long the main thread was ready and did not run; None where nobody knows."""
    try:
        return int(Path("/proc/self/schedstat").read_bytes().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None


def is_crowded() -> bool:
    """Tell whether more programs want a processor than there are; no where nobody knows."""
    if sys.platform == "win32":
        return False
    with suppress(OSError):
        return os.getloadavg()[0] > (os.cpu_count() or 1)
    return False


def count_nvidia_gpus() -> int:
    """Return how many GPUs NVIDIA's driver tells of."""
    if IS_LINUX:
        return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    import subprocess

    try:
        told = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False
        ).stdout
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in told.splitlines())


def has_no_inodes(path: Path) -> bool:
    """Return whether the file system at ``path`` has bytes left and no number for one more file."""
    if not hasattr(os, "statvfs"):
        return False
    for place in path.parents:
        with suppress(OSError):
            found = os.statvfs(place)
            return found.f_files > 0 and found.f_favail == 0 and found.f_bavail > 0
    return False


def address_space() -> int | None:
    """Return the bytes of memory that this process may address; None without a limit."""
    if sys.platform == "win32":
        return None
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit
