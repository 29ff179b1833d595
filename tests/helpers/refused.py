"""A system that refuses to write, for tests that run as root and have no disk of their own."""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def refuse(patch: pytest.MonkeyPatch, number: int, *folders: Path) -> None:
    """Have the system refuse, with that error, whatever would be written in the folders."""

    def is_inside(path: Any) -> bool:
        if not isinstance(path, (str, os.PathLike)):
            return False
        return any(Path(os.path.abspath(path)).is_relative_to(folder) for folder in folders)

    def guarded(name: str, writes: Callable[..., Any], module: Any = os) -> None:
        real = getattr(module, name)

        def call(*given: Any, **named: Any) -> Any:
            path = writes(*given, **named)
            if path is not None and is_inside(path):
                raise OSError(number, os.strerror(number), str(path))
            return real(*given, **named)

        patch.setattr(module, name, call)

    def opened(path: Any, mode: str = "r", *_: Any, **__: Any) -> Any:
        return path if set(mode) & set("wax+") else None

    write = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    guarded("open", lambda path, flags, *_, **__: path if flags & write else None)
    guarded("mkdir", lambda path, *_, **__: None if os.path.exists(path) else path)
    guarded("replace", lambda _, path, **__: path)
    guarded("rename", lambda _, path, **__: path)
    guarded("open", opened, io)
    guarded("open", opened, builtins)
