"""What a run's files show of how it went, as numbers that rules can be asked of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ganzoo.common.text import number
from ganzoo.runs.log import MEASURES
from ganzoo.runs.record import Table, many, real, table, whole


@dataclass(frozen=True)
class Score:
    """One score of a run, beside what real images reach against real images.

    Attributes:
        floor: what real images outside the reference score; None where it is not known.
        perfect: the best that there is, where that is known.
        course: its values by step, in order.
        best: the best of them and its step.
    """

    name: str
    value: float
    floor: float | None = None
    perfect: float | None = None
    is_lower_better: bool = False
    best: tuple[float, int] | None = None
    course: tuple[tuple[int, float], ...] = ()

    @property
    def wanted(self) -> float:
        """What counts as full marks where more is better: the best there is, or the floor."""
        known = self.floor if self.perfect is None else self.perfect
        return 1.0 if known is None else known

    @property
    def share(self) -> float:
        """How much of that was reached; the value itself where nothing can be."""
        return self.value / self.wanted if self.wanted > 0 else self.value

    @property
    def times(self) -> float | None:
        """How many times the floor it is, where less is better and the floor is above 0."""
        if not self.is_lower_better or self.floor is None or self.floor <= 0 or self.value < 0:
            return None
        return self.value / self.floor

    def missing(self, value: float) -> float:
        """Return how far a value of this score is from the best: less is better."""
        return value if self.is_lower_better else self.wanted - value

    def in_words(self) -> str:
        """Return 'frechet 2.100, 4.8 times the floor of 0.438', or 'recall 0.390 of 0.968'."""
        text = f"{self.name} {number(self.value)}"
        if self.is_lower_better:
            if (times := self.times) is not None:
                return f"{text}, {rounded(times)} times the floor of {number(self.floor)}"
            return text if self.floor is None else f"{text}, floor {number(self.floor)}"
        known = self.floor if self.floor is not None else self.perfect
        return text if known is None else f"{text} of {number(known)}"


def rounded(times: float) -> str:
    """Return '0.93', '4.8' or '180'."""
    return f"{times:.2f}" if times < 1 else f"{times:.1f}" if times < 10 else f"{times:,.0f}"


@dataclass(frozen=True)
class Evidence:
    """What is known of a run; nothing of it need be trusted.

    Attributes:
        recipe: its frozen recipe's tables; empty where there is none.
        result: as ``result.json`` has it; empty until the run has ended.
        log: the lines of its log that have a step.
        status: as ``status.json`` has it.
        reason: why it stopped.
        step: steps finished.
    """

    recipe: Table = field(default_factory=dict)
    result: Table = field(default_factory=dict)
    log: Sequence[Table] = ()
    status: str = "done"
    reason: str = ""
    step: int = 0

    @cached_property
    def events(self) -> dict[str, int]:
        """What the health watch told, and at which step."""
        found = [table(each) for each in many(self.result.get("health"))]
        return {str(each.get("event")): whole(each.get("step")) or 0 for each in found}

    @cached_property
    def groups(self) -> dict[str, dict[str, Score]]:
        """Scores by the label of their metric and by name, as the result has them."""
        groups: dict[str, dict[str, Score]] = {}
        for full, entry in table(self.result.get("metrics")).items():
            entry, floor = table(entry), table(table(entry).get("floor"))
            value = real(table(entry.get("last")).get("value"))
            if value is None:
                continue
            best = table(entry.get("best"))
            at, of = real(best.get("value")), whole(best.get("step"))
            # A metric with a label puts it before the names of its scores.
            name = next((one for one in KNOWN if full == one or full.endswith(f"_{one}")), full)
            groups.setdefault(str(full).removesuffix(name), {})[name] = Score(
                str(full),
                value,
                real(floor.get("value")),
                real(floor.get("perfect")),
                entry.get("lower_is_better") is True,
                None if at is None or of is None else (at, of),
                tuple(self.course(f"{MEASURES}{full}")),
            )
        return groups

    @cached_property
    def scores(self) -> list[Score]:
        """All scores, the recipe's first metric first."""
        found = {score.name: score for group in self.groups.values() for score in group.values()}
        names = [str(name) for name in table(self.result.get("metrics"))]
        return [found[name] for name in names if name in found]

    def all_of(self, name: str) -> list[Score]:
        """Return the scores of that name, whatever their label."""
        return [group[name] for group in self.groups.values() if name in group]

    def course(self, name: str) -> list[tuple[int, float]]:
        """Return the finite values of a name in the log by step."""
        return [
            (step, value)
            for entry in self.log
            if (step := whole(entry.get("step"))) is not None
            and (value := real(entry.get(name))) is not None
        ]

    @cached_property
    def look(self) -> dict[str, float]:
        """What was seen of some images at the end: see ``training.variety``."""
        found = {str(key): real(value) for key, value in table(self.result.get("look")).items()}
        return {key: value for key, value in found.items() if value is not None}

    @property
    def are_points(self) -> bool:
        """Whether the data is points, and no images."""
        return str(table(self.result.get("data")).get("shape", "")).endswith("×1×1")

    def key(self, dotted: str) -> Any:
        """Return what the recipe has at a dotted key; None where it has nothing."""
        found: Any = self.recipe
        for part in dotted.split("."):
            found = table(found).get(part)
        return found

    def rate(self, role: str) -> float | None:
        """Return the learning rate of a network, where it is one number."""
        return real(self.key(f"optimizer.{role}.lr"))

    def used(self, what: str) -> list[Mapping[str, Any]]:
        """Return the tables of a list in the recipe: 'regularizer', 'view', 'metric'."""
        return [table(each) for each in many(self.recipe.get(what))]

    def uses(self, what: str, *names: str) -> bool:
        """Return whether the recipe has one of these in a list."""
        return any(each.get("use") in names for each in self.used(what))


KNOWN = ("precision", "recall", "modes_5", "modes", "high_quality", "memorised")
"""Scores that rules ask for by name; any other is known by its whole name."""
