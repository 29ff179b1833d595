"""What a user can be told: errors that carry their exit code, and spelling suggestions."""

from __future__ import annotations

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


def suggest(word: str, choices: Iterable[str], *, cutoff: float = 0.6, then: str = "") -> str:
    """Return ``; did you mean 'x'?`` for the nearest of ``choices``, or an empty string.

    Args:
        then: what is said in any case, as a sentence of its own after the question.
    """
    import difflib

    near = difflib.get_close_matches(word, list(choices), n=1, cutoff=cutoff)
    asked = f"; did you mean {near[0]!r}?" if near else ""
    if asked and then:
        return f"{asked} {then[0].upper()}{then[1:]}"
    return asked or (then and f"; {then}")


MOST_NAMED = 8
"""Names that are given for one that is none, where there are many more."""


def there_are(word: str, choices: Iterable[str], rest: str) -> str:
    """Return ``; there are x, y and 40 more: ganzoo list ...``, the likely ones first.

    One that is spelled almost so is asked about before. Likely are names that have ``word`` as a
    part, few parts before many, then those that are spelled nearly so. Where nothing is near, and
    not all are named, their number is told.

    Args:
        rest: the command that lists all of them, or nothing where a line holds them all.
    """
    import difflib

    names = list(choices)
    if not names:
        return "; there are none"
    small = word.lower()
    parts = [name for name in names if small in name.lower().split("_")]
    near = [
        *sorted(parts, key=lambda name: name.count("_")),
        *difflib.get_close_matches(word, names, n=MOST_NAMED, cutoff=0.6),
        *(name for name in names if small and small in name.lower()),
        *([] if rest else names),
    ]
    shown = list(dict.fromkeys(near))[: MOST_NAMED if rest else None]
    more = len(names) - len(shown)
    if not shown:
        return f"; there are {more}: {rest}"
    there = f"there are {', '.join(shown)}" + (f" and {more} more: {rest}" if more else "")
    return suggest(word, names, cutoff=0.8, then=there)


def printable(text: str, limit: int = 500) -> str:
    """Return ``text`` without control, format or bidirectional characters, cut at ``limit``."""
    clean = text
    if not text.isprintable():  # most are, and then nothing is to be looked for
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
