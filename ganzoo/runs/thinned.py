"""A log of any length as a page or a picture needs it: some lines, from all of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, Any

from ganzoo.common.errors import RefusedError
from ganzoo.common.files import parse_json
from ganzoo.common.inside import open_inside
from ganzoo.runs.folder import RunDir
from ganzoo.runs.log import MEASURES

ENOUGH = 8192
"""Lines up to which a log is read whole; of a longer one at least half as many are kept."""
LONGEST = 1 << 20
"""Bytes of a line; a longer one is none of ours."""


class Every:
    """Keeps each line, then each second, fourth and so on: never more than ``ENOUGH`` and the last.

    What is kept is evenly spaced whatever comes, and nobody need know how much that will be.
    """

    def __init__(self) -> None:
        self.stride = 1
        self.count = 0
        self.kept: list[tuple[int, bytes]] = []
        self.last: list[tuple[int, bytes]] = []

    def add(self, number: int, line: bytes) -> None:
        """Keep the line of that number in the log, or not."""
        self.last = [(number, line)]
        if self.count % self.stride == 0:
            self.kept.append((number, line))
            if len(self.kept) > ENOUGH:
                del self.kept[1::2]
                self.stride *= 2
        self.count += 1


def read_thinned(run: RunDir, most: int | None = None) -> list[dict[str, Any]]:
    """Return the tables in the whole lines of a run's log, in order; none of a log not readable.

    Of a log of more than ``ENOUGH`` lines it is every second, fourth and so on, the last one, those
    with measures, and the first that has a number which is not finite.

    Args:
        most: bytes from the end of the log that are looked at; all where it is None.
    """
    try:
        with open_inside(run.path, run.log.name) as file:
            if most is not None and os.fstat(file.fileno()).st_size > most:
                file.seek(-most, os.SEEK_END)
                file.readline(LONGEST)  # most likely a part of one
            return thinned(file)
    except (OSError, RefusedError):
        return []


def thinned(file: IO[bytes]) -> list[dict[str, Any]]:
    """Return what ``read_thinned`` does, of an open log; memory does not grow with it."""
    usual, measured = Every(), Every()
    broken: list[tuple[int, bytes]] = []
    mark = f'"{MEASURES}'.encode()
    for number, line in enumerate(_lines(file)):
        (measured if mark in line else usual).add(number, line)
        if not broken and b"null" in line:
            broken = [(number, line)]
    chosen = dict(usual.kept + usual.last + measured.kept + measured.last + broken)
    found = []
    for number in sorted(chosen):
        try:
            entry = parse_json(chosen[number])
        except ValueError:
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield whole lines; a torn last one is left out, as is one that is too long."""
    is_rest = False
    while line := file.readline(LONGEST):
        is_whole = line.endswith(b"\n")
        if is_whole and not is_rest:
            yield line
        is_rest = not is_whole
