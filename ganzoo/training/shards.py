"""A batch in parts: which process has which, and in which order their gradients are summed.

The order of a sum decides its last bits. The parts of a batch are the leaves of one tree, whose
shape follows from their number alone: neighbours are added in pairs, then neighbouring pairs. A
process has neighbouring leaves, so that any number of processes that divides the number of parts
ends in the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True)
class Cut:
    """How a batch is cut, and which parts are this process's.

    Attributes:
        parts: parts of a whole batch.
        processes: how many share them.
        rank: this one's number among them.
    """

    parts: int = 1
    processes: int = 1
    rank: int = 0

    @property
    def each(self) -> int:
        """Parts of one process."""
        return self.parts // self.processes

    @property
    def own(self) -> range:
        """The numbers of this process's parts."""
        return range(self.rank * self.each, (self.rank + 1) * self.each)

    @property
    def unit(self) -> int:
        """Parts that a process sums by itself: whole branches of the tree, wherever it sits."""
        return self.each & -self.each

    def bounds(self, count: int) -> list[tuple[int, int]]:
        """Return where each part of ``count`` images begins and ends; unlike by one at most.

        With fewer images than parts the last parts are left out.
        """
        parts = min(self.parts, count)
        size, longer = divmod(count, parts)
        starts = [part * size + min(part, longer) for part in range(parts + 1)]
        return list(pairwise(starts))

    def of(self, images: Tensor) -> Tensor:
        """Return this process's of ``[N, ...]``, one an image of the whole batch."""
        if self.processes == 1:
            return images
        found = self.bounds(len(images))[self.own.start : self.own.stop]
        return images[found[0][0] : found[-1][1]]


WHOLE = Cut()
"""One part in one process."""


class Branches(Generic[T]):
    """Sums leaves as they come, keeping no more than it must.

    Args:
        add: returns the sum of two neighbours; it may take the memory of the first.
        unit: leaves of the largest branch that is summed before all are there.
    """

    def __init__(self, add: Callable[[T, T], T], unit: int | None = None) -> None:
        self._add = add
        self._unit = unit
        self._found: list[tuple[int, T]] = []

    def put(self, leaf: T) -> None:
        """Take in the next leaf."""
        self._found.append((1, leaf))
        while len(self._found) > 1 and self._found[-1][0] == self._found[-2][0] != self._unit:
            self._join()

    def _join(self) -> None:
        (left, first), (right, second) = self._found[-2:]
        self._found[-2:] = [(left + right, self._add(first, second))]

    @property
    def values(self) -> list[T]:
        """The branches so far, in their order."""
        return [value for _, value in self._found]

    def total(self) -> T:
        """Return the sum of everything; there must be a leaf."""
        while len(self._found) > 1:
            self._join()
        return self._found[0][1]


def summed(leaves: Sequence[Tensor]) -> Tensor:
    """Return the sum of leaves, or of equal branches, in the order of the tree."""
    found: Branches[Tensor] = Branches(lambda first, second: first + second)
    for leaf in leaves:
        found.put(leaf)
    return found.total()
