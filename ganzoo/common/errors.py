"""What a user can be told: errors that carry their exit code, and spelling suggestions."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from typing import ClassVar


class GanzooError(Exception):
    """Something the user did or has that cannot be accepted: where, what, what to do.

    The command line prints the message without a traceback and exits with ``exit_code``.
    """

    exit_code: ClassVar[int] = 2


class DataError(GanzooError):
    """A dataset, image or archive that cannot be used; the message names the file."""


class PluginError(GanzooError):
    """A plugin that cannot be loaded or breaks its contract; the message names it."""


class RefusedError(GanzooError):
    """A file that is not opened: a link, no regular file, or larger than its kind ever is."""

    exit_code: ClassVar[int] = 4


class CheckpointError(GanzooError):
    """A checkpoint that is damaged, foreign or belongs to another recipe."""


class DamagedError(CheckpointError):
    """A checkpoint whose content is not what was written: no use to anybody, unlike the others."""


class LostError(CheckpointError):
    """A run with saved steps that cannot be resumed here; nothing of it was changed."""

    exit_code: ClassVar[int] = 4


class TrainingError(GanzooError):
    """A run that failed after it had begun; its last good checkpoint is kept."""

    exit_code: ClassVar[int] = 3


class MemoryFullError(TrainingError):
    """A run that needs more memory than there is: the machine's doing, not the recipe's."""

    exit_code: ClassVar[int] = 4


class LostProcessError(TrainingError):
    """One process of several that is gone, or does not answer: the others cannot go on."""

    exit_code: ClassVar[int] = 4


class MachineError(GanzooError):
    """The machine stands in the way: a full disk, a lock, a folder without permission."""

    exit_code: ClassVar[int] = 4


def suggest(word: str, choices: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the nearest of ``choices``, or an empty string."""
    near = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def printable(text: str, limit: int = 500) -> str:
    """Return ``text`` without control, format or bidirectional characters, cut at ``limit``."""
    clean = "".join(
        character
        for character in text
        if character == "\n"
        or unicodedata.category(character) not in {"Cc", "Cf", "Zl", "Zp", "Cs"}
    )
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def say(error: BaseException) -> str:
    """Return an error as one clean line: ``ModuleNotFoundError: No module named 'x'``."""
    try:
        text = " ".join(printable(str(error)).split())
    except Exception:  # noqa: BLE001  a plugin's own exception class
        text = "(its message cannot be read)"
    if isinstance(error, PluginError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
