"""Batches of images that several processes look at: whose is which, and how they come together.

The first process takes the scores. It asks for batches as its metrics want them, the others see
their share and give it back, so that metrics are shown the same batches, in the same order and to
the same bits, as by one process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ganzoo.plugin.types import Seen
from ganzoo.training.together import Group


@dataclass(frozen=True)
class Row:
    """Batches of images, by their numbers.

    Attributes:
        count: how many batches there are.
        size: images of a batch at most.
        see: returns what the network sees of one.
        known: returns what every process has of one: images, labels, targets; images are None
            where they travel, too.
    """

    count: int
    size: int
    see: Callable[[int], Seen]
    known: Callable[[int], tuple[Tensor | None, Tensor | None, Tensor | None]]


@dataclass
class Sharing:
    """Who looks at which batch; by itself a process looks at all of them.

    Batches are taken in rounds, one for each process: a round ends where all have theirs.
    """

    group: Group = field(default_factory=Group)
    rows: dict[str, Row] = field(default_factory=dict)

    def each(self, name: str) -> Iterator[Seen]:
        """Yield what is seen of the batches of a row, in order; to be called by the first process.

        Args:
            name: of the row, which every process knows.
        """
        row, count = self.rows[name], self.group.count
        if count == 1:
            for number in range(row.count):
                yield row.see(number)
            return
        for first in range(0, row.count, count):
            self.group.say({"row": name, "first": first})
            yield from self._round(row, first)

    def follow(self) -> None:
        """See what the first process asks for, until it asks for no more."""
        while (order := self.group.say()) is not None:
            self._round(self.rows[order["row"]], order["first"])

    def _round(self, row: Row, first: int) -> list[Seen]:
        """See one batch in each process; return them all."""
        rank, count = self.group.rank, self.group.count
        # Who has none in the last round sees the last one again, and nobody waits longer for it.
        own = row.see(min(first + rank, row.count - 1))
        sizes = self.group.gather(torch.tensor([len(own.features)])).flatten().tolist()
        features = self._everyones(own.features, row)
        chances = None
        if own.probabilities is not None:
            chances = self._everyones(own.probabilities, row)
        images = None
        if row.known(first)[0] is None:
            images = self._everyones(own.images, row)
        found = []
        for at in range(min(count, row.count - first) if rank == 0 else 0):
            if at == rank:
                found.append(own)
                continue
            here, labels, targets = row.known(first + at)
            shown = here if images is None else images[at][: sizes[at]]
            assert shown is not None
            probabilities = None if chances is None else chances[at][: sizes[at]]
            found.append(Seen(shown, features[at][: sizes[at]], probabilities, labels, targets))
        return found

    def _everyones(self, own: Tensor, row: Row) -> Tensor:
        """Return ``[count, size, ...]``: the rows of everybody's batch, and zeros after them."""
        padded = own.new_zeros(row.size, *own.shape[1:])
        padded[: len(own)] = own
        return self.group.gather(padded)
