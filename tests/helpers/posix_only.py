"""Tests that need POSIX, known by what they call: they are left out where there is none."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

MODULES = re.compile(r"^(?:import|from) (?:fcntl|pty|pwd|resource|children|kills)\b", re.MULTILINE)
"""What a file imports that cannot be imported elsewhere, or is about signals and forks."""
CALLS = re.compile(
    r"SIG(?:HUP|KILL|ALRM|PIPE)|setitimer|killpg|os\.kill|os\.fork|forkserver|os\.geteuid|mkfifo"
    r"|symlink|chmod|start_new_session|preexec_fn|getloadavg|pty\.|/dev/|/proc/|\"bash\"|sh -c"
    r"|\.pipe\(\)|memfd|libc"
)
NAMES = re.compile(r"\b([a-z_][a-z0-9_]*)\b")


def imports_posix(file: Path) -> bool:
    """Return whether a file of tests cannot be imported without POSIX."""
    return bool(MODULES.search(file.read_text(encoding="utf-8")))


def needs_posix(test: Any) -> bool:
    """Return whether a test, or a function of the tests that it uses, calls for POSIX."""
    return any(CALLS.search(inspect.getsource(each)) for each in _used_by(test, set()))


def _used_by(function: Any, seen: set[Any]) -> Iterator[Any]:
    """Yield a function and those of the tests that it names, at any depth."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    if function in seen or not inspect.isfunction(function):
        return
    seen.add(function)
    yield function
    module = inspect.getmodule(function)
    for name in NAMES.findall(inspect.getsource(function)):
        other = getattr(module, name, None)
        if inspect.isroutine(other) and _is_ours(inspect.getmodule(other)):
            yield from _used_by(other, seen)


def _is_ours(module: ModuleType | None) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(__file__).parents[1] in Path(file).parents
