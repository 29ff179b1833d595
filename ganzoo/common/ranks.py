"""Which process of several this is, by the variables that torchrun and its like set."""

from __future__ import annotations

import os

LONGEST_WAIT = 60.0
"""Seconds that a process waits for the others within a step; GANZOO_WAIT says otherwise."""


def longest_wait() -> float:
    """Return the seconds that a process waits for the others before it takes them for lost."""
    text = os.environ.get("GANZOO_WAIT", "")
    return float(text) if text.replace(".", "", 1).isdigit() else LONGEST_WAIT


def _number(name: str, otherwise: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else otherwise


def count() -> int:
    """Return how many processes make this run; 1 where nothing says that there are several."""
    is_told = all(name in os.environ for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR"))
    return max(1, _number("WORLD_SIZE", 1)) if is_told else 1


def rank() -> int:
    """Return this process's number among them, from 0."""
    return _number("RANK", 0) if count() > 1 else 0


def local_rank() -> int:
    """Return its number among those of this machine."""
    return _number("LOCAL_RANK", 0) if count() > 1 else 0


def local_count() -> int:
    """Return how many there are on this machine."""
    return max(1, _number("LOCAL_WORLD_SIZE", 1)) if count() > 1 else 1


def launcher_keeps_store() -> bool:
    """Return whether the launcher keeps what processes say to each other; else the first one."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE", "").lower() == "true"


def restarts() -> int:
    """Return how often torchrun has started these processes anew."""
    return _number("TORCHELASTIC_RESTART_COUNT", 0)


def job() -> str:
    """Return what torchrun's processes have in common before and after a restart; else nothing."""
    number = os.environ.get("TORCHELASTIC_RUN_ID", "")
    if not number:
        return ""
    # Without an id of its own a job is known by who started its processes here.
    import socket

    return number if number != "none" else f"{socket.gethostname()}:{os.getppid()}"
