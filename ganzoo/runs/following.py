"""The log of a run as it grows."""

from __future__ import annotations

import os
from typing import Any

from ganzoo.common.errors import RefusedError
from ganzoo.common.files import parse_json
from ganzoo.common.inside import open_inside
from ganzoo.runs.folder import MOST_LINE, MOST_LOG, RunDir

AT_ONCE = 4 * 1024 * 1024
"""Bytes that are read at a time."""
LINE = 16 * 1024
"""Bytes of the log that are looked at for each entry."""


class Tail:
    """Reads what was added to a run's log since it was read last."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self._place = 0
        self._rest = b""

    def last(self, count: int) -> list[dict[str, Any]]:
        """Return the last ``count`` entries, as far back as ``LINE`` bytes each reach."""
        most = min(count * LINE, MOST_LOG)
        try:
            with open_inside(self.run.path, self.run.log.name) as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(0, size - most))
                content = file.read(most)
        except (OSError, RefusedError):
            return []
        self._place = size
        *lines, self._rest = content.split(b"\n")
        whole = lines if size <= most else lines[1:]
        entries = (_entry(line) for line in whole[len(whole) - min(count, len(whole)) :])
        return [entry for entry in entries if entry is not None]

    def news(self) -> list[dict[str, Any]]:
        """Return the entries that were added; of a log that was cut, what follows the cut."""
        try:
            with open_inside(self.run.path, self.run.log.name) as file:
                size = os.fstat(file.fileno()).st_size
                if size < self._place:
                    # A resumed run cuts off what came after its checkpoint, and makes it again.
                    self._place, self._rest = size, b""
                file.seek(self._place)
                added = file.read(AT_ONCE)
        except (OSError, RefusedError):
            return []
        self._place += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        if len(self._rest) > MOST_LINE:
            self._rest = b""
        return [entry for line in lines if (entry := _entry(line)) is not None]


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        found = parse_json(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
