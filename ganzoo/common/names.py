"""Names that files can have on Linux, macOS and Windows alike, whichever of them this is."""

from __future__ import annotations

import re

DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"]
)
"""What Windows opens instead of a file, in every folder and whatever ending follows."""
FORBIDDEN = re.compile(r'[\x00-\x1f<>:"/\\|?*]')
LONGEST = 255


def fault(name: str) -> str:
    """Return what keeps a file from having this name on some system, or nothing."""
    if not name or name in {".", ".."}:
        return "is not a name"
    if found := FORBIDDEN.search(name):
        return f"has {found[0]!r} in it, which Windows does not allow"
    if name[-1] in ". ":
        return f"ends in {name[-1]!r}, which Windows cuts off"
    if _device(name):
        return f"is a device on Windows, '{_device(name).upper()}'"
    if len(name.encode("utf-16-le")) // 2 > LONGEST or len(name.encode(errors="replace")) > LONGEST:
        return f"is longer than {LONGEST} characters"
    return ""


def portable(name: str) -> str:
    """Return a name near to this that files can have everywhere; the same name for the same."""
    kept = FORBIDDEN.sub("-", name).rstrip(". ") or "_"
    if device := _device(kept):
        kept = f"{kept[: len(device)]}_{kept[len(device) :].lstrip(' ')}"
    return kept


def are_one(first: str, second: str) -> bool:
    """Tell whether two names are one file where capitals do not count: macOS, Windows, shares."""
    return first.casefold() == second.casefold()


def _device(name: str) -> str:
    """Return the device that stands before the first point of ``name``, as written, or nothing."""
    stem = name.partition(".")[0].rstrip(" ")
    return stem if stem.casefold() in DEVICES else ""
