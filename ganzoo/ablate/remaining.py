"""How long the cells that are left will take: what was expected, corrected by those that ran."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ganzoo.ablate.experiment import Experiment, missing
from ganzoo.runs.record import Record, real


@dataclass
class Remaining:
    """What is left of an experiment, seen from its folder while it is worked on.

    Attributes:
        expected: seconds of a cell, by variant, where they were tried before; others are taken
            to be as long as those that ran.
        jobs: cells at the same time.
    """

    experiment: Experiment
    expected: Mapping[str, float]
    jobs: int
    retry_failed: bool = False
    _begun: float = field(default_factory=time.monotonic)
    _open: dict[str, str] = field(init=False)
    """Variant of each cell that is still to be run."""
    _before: dict[str, float] = field(init=False)
    """Share of each cell that an earlier session has made."""
    _ended: dict[str, float] = field(init=False, default_factory=dict)
    """How much was made of each cell that ended since, 1 but where it failed."""
    _took: dict[str, list[float]] = field(init=False, default_factory=dict)
    """Seconds of training of the cells that are done, by variant."""

    def __post_init__(self) -> None:
        cells = missing(self.experiment, retry_failed=self.retry_failed)
        self._open = {cell.id: cell.variant for cell in cells}
        self._before = {cell: self._share(cell) for cell in self._open}
        self._variants = {cell["id"]: cell["variant"] for cell in self.experiment.cells}
        for cell in self._variants:
            self._remember(cell)

    @property
    def done(self) -> int:
        """Cells that need no more work, each counted once."""
        return len(self.experiment.cells) - len(self._open)

    def ended(self, cell: str) -> None:
        """Take note that a cell is done or has failed."""
        if cell in self._open and self.experiment.state(cell).is_final:
            del self._open[cell]
            self._ended[cell] = self._share(cell)
            self._remember(cell)

    def seconds(self, now: float | None = None) -> float | None:
        """Return the expected seconds to the end; None while nothing tells.

        Seconds of this machine for each second that was expected are learned from what was made:
        cells that ended, and the part of those that run.
        """
        if not self._open:
            return 0.0
        elapsed = (time.monotonic() if now is None else now) - self._begun
        weights = self._weights()
        shares = {cell: self._share(cell) for cell in self._open}
        made = math.fsum(
            self._weight(weights, cell) * (share - self._before[cell])
            for cell, share in (shares | self._ended).items()
        )
        left = [self._weight(weights, cell) * (1 - shares[cell]) for cell in self._open]
        slots = min(self.jobs, len(self._open) + len(self._ended))
        if made <= 0 or elapsed <= 0:
            return spread(left, self.jobs) if weights else None
        return spread(left, self.jobs) * elapsed * slots / made

    def _remember(self, cell: str) -> None:
        """Take note of how long a cell has trained, if it is done."""
        if cell in self._open or self.experiment.state(cell).status != "done":
            return
        if took := real(Record(self.experiment.run(cell)).result.get("seconds")):
            self._took.setdefault(self._variants[cell], []).append(took)

    def _weights(self) -> dict[str, float]:
        """Return the seconds of a cell by variant: as they were, else as expected in proportion."""
        known = {variant: math.fsum(took) / len(took) for variant, took in self._took.items()}
        both = [(known[name], self.expected[name]) for name in known if self.expected.get(name)]
        factor = sum(was for was, _ in both) / sum(due for _, due in both) if both else 1.0
        return {name: factor * due for name, due in self.expected.items() if due > 0} | known

    def _weight(self, weights: Mapping[str, float], cell: str) -> float:
        usual = math.fsum(weights.values()) / len(weights) if weights else 1.0
        return weights.get(self._variants[cell], usual)

    def _share(self, cell: str) -> float:
        """Return how much of a cell is made, from 0 to 1."""
        record = Record(self.experiment.run(cell))
        if cell not in self._open and self.experiment.state(cell).status == "done":
            return 1.0
        entry, steps = record.last_entry, record.steps
        made = (real(entry.get("step")) or 0.0) / steps if steps else 0.0
        minutes = self.experiment.plan["budget"].get("minutes")
        if minutes:
            made = max(made, (real(entry.get("seconds")) or 0.0) / (60 * minutes))
        return min(1.0, max(0.0, made))


def spread(left: Sequence[float], jobs: int) -> float:
    """Return the time that work takes, done piece by piece in parallel; no piece is divided."""
    return max([math.fsum(left) / max(1, min(jobs, len(left))), *left]) if left else 0.0
