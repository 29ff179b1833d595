"""What people write beside a run: tags and a note, in a small file of its folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ganzoo.common.errors import GanzooError, printable
from ganzoo.runs.folder import NOTES, RunDir

MOST_TAGS = 32
"""Of one run."""
MOST_NOTE = 2000
"""Characters of a note."""
_TAG = re.compile(r"[^\W_][\w.+-]{0,39}")


@dataclass(frozen=True)
class Notes:
    """Tags in the order of the alphabet, and a note."""

    tags: tuple[str, ...] = ()
    note: str = ""


def read_notes(run: RunDir) -> Notes:
    """Return what is written beside a run; what makes no sense there is left out."""
    found = run.read_json(NOTES)
    tags, note = found.get("tags"), found.get("note")
    whole = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    good = sorted({tag for tag in whole if _TAG.fullmatch(tag)})[:MOST_TAGS]
    return Notes(tuple(good), printable(note, MOST_NOTE) if isinstance(note, str) else "")


def write_notes(run: RunDir, notes: Notes) -> None:
    """Write tags and note, whole or not at all.

    Raises:
        GanzooError: with every tag that is none, or if there is too much of it.
        RefusedError: if a link leads elsewhere.
        MachineError: if it cannot be written.
    """
    refuse_tags(notes.tags)
    tags = sorted(set(notes.tags))
    if len(tags) > MOST_TAGS:
        raise GanzooError(f"run {run.id} would have {len(tags)} tags; it can have {MOST_TAGS}")
    if len(notes.note) > MOST_NOTE:
        raise GanzooError(
            f"a note has at most {MOST_NOTE:,} characters, this one has {len(notes.note):,}"
        )
    run.writable(NOTES)
    run.write_json(NOTES, {"tags": tags, "note": notes.note})


def refuse_tags(tags: Iterable[str]) -> None:
    """Raise GanzooError with every tag that is none."""
    if bad := [tag for tag in tags if not _TAG.fullmatch(tag)]:
        listed = ", ".join(repr(printable(tag, 60)) for tag in bad)
        raise GanzooError(
            f"{listed}: a tag is one word of at most 40 letters, digits and any of . _ + -, "
            "and begins with a letter or digit"
        )
