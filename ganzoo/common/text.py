"""How figures, durations and the names of curves read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeGuard

MOST_LISTED = 12
"""Names that a sentence has one by one."""


def duration(seconds: float) -> str:
    """Return seconds as people say them: '0.4 s', '12 s', '2 min 03 s', '1 h 05 min'."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes:02d} min"


def number(value: Any) -> str:
    """Return a figure short enough for a line: three digits behind the point at most."""
    if value is None:
        return "not finite"
    if not is_number(value):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.2e}"
    return f"{value:.3f}"


def most_memory(mib: float) -> str:
    """Return 'peak memory 512 MiB', or nothing where the system does not tell."""
    return f"peak memory {mib:,.0f} MiB" if mib else ""


def listed(names: Sequence[str]) -> str:
    """Return names in one line, of many the first and the last."""
    if len(names) <= MOST_LISTED:
        return ", ".join(names)
    return f"{len(names):,}: {', '.join(names[: MOST_LISTED - 1])}, … {names[-1]}"


def significant(value: float | None, digits: int = 4) -> str:
    """Return that many significant digits, or a dash for none."""
    if value is None:
        return "–"
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}g}"
    text = f"{value:.{digits}g}"
    return f"{value:,.0f}" if "e" in text else text


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_written(value: Any) -> str:
    """Return a value nearly as a recipe writes it; a dash for none."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
