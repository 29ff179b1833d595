"""A run in progress, as those see it who save it, measure it, follow it or are told of it.

The loop, which moves it, is in ``loop``; nothing here knows of it, and nothing imports torch.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.plugin.registry import Registry
    from ganzoo.runs.folder import RunDir
    from ganzoo.training.background import Aside
    from ganzoo.training.health import Health
    from ganzoo.training.parts import Parts


@dataclass
class TrainingState:
    """What a run consists of, and how far it has come."""

    parts: Parts
    registry: Registry
    run: RunDir
    reporter: Reporter
    health: Health
    fixed: Tensor
    """Latents of the sample sheets, ``[N, Z]``."""
    measures: Measures
    aside: Aside
    step: int = 0
    """Steps finished."""
    log_lines: int = 0
    first_step: int = 0
    """Steps that were finished when this process began."""
    window: list[dict[str, Tensor]] = field(default_factory=list)
    """Terms of the steps since the last line of the log, still on the device."""
    last: dict[str, float] = field(default_factory=dict)
    seconds_before: float = 0.0
    """Time that earlier processes trained, up to the last line of the log that was kept."""
    started_at: float = field(default_factory=time.monotonic)
    logged_at: float = field(default_factory=time.monotonic)
    logged_step: int = 0

    @property
    def seconds(self) -> float:
        """Time since this process began to train."""
        return time.monotonic() - self.started_at

    @property
    def total_seconds(self) -> float:
        """Time the run has trained, in all its processes."""
        return self.seconds_before + self.seconds

    @property
    def images_per_second(self) -> float:
        """Real images seen per second since this process began to train."""
        done = (self.step - self.first_step) * self.parts.images_per_step()
        return done / max(self.seconds, 1e-9)

    @property
    def pace(self) -> str:
        """How many images, or points, are seen per second, in words."""
        from ganzoo.plugin.types import is_points

        what = "points" if is_points(self.parts.shape) else "images"
        return f"{self.images_per_second:,.0f} {what}/s"

    @property
    def seconds_left(self) -> float:
        """Expected time to the end, from the mean step so far."""
        done = self.step - self.first_step
        return self.seconds / max(done, 1) * (self.parts.steps - self.step)

    @property
    def peak_memory_mib(self) -> float:
        """The most memory that this process has held, in MiB; of a GPU, where it trains there."""
        return self.parts.machine.peak_memory_mib


class Measures(Protocol):
    """How good a run's fakes are, taken on the way; see ``ganzoo.measure.watch``."""

    @property
    def best(self) -> Mapping[str, Mapping[str, float]]:
        """The best 'value' of every score and its 'step'."""
        ...

    @property
    def best_step(self) -> int | None:
        """The step at which the first score was best; None before anything was measured."""
        ...

    def is_due(self, step: int) -> bool:
        """Tell whether the run is measured after ``step`` steps."""
        ...

    def take(self, step: int) -> dict[str, float]:
        """Measure the generator as it is after ``step`` steps; return the log's entries."""
        ...

    def result(self) -> dict[str, Any]:
        """Return what a result says of the measures."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        ...

    def restore(self, state: Mapping[str, Any], step: int) -> None:
        """Remember what ``state()`` returned after ``step`` steps."""
        ...


class NoMeasures:
    """The measures of a run that is not measured."""

    best: ClassVar[Mapping[str, Mapping[str, float]]] = {}
    best_step: ClassVar[int | None] = None

    def is_due(self, step: int) -> bool:  # noqa: ARG002
        """Tell that nothing is ever due."""
        return False

    def take(self, step: int) -> dict[str, float]:  # noqa: ARG002
        """Measure nothing."""
        return {}

    def result(self) -> dict[str, Any]:
        """Return that nothing was measured."""
        return {"metrics": {}, "unmeasured": {}}

    def state(self) -> dict[str, Any]:
        """Return that there is nothing to keep."""
        return {}

    def restore(self, state: Mapping[str, Any], step: int) -> None:
        """Forget it: what others measured is in the log."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: 'done' or 'interrupted'.
        exit_code: 0, or 128 + the signal that stopped it.
    """

    status: str
    reason: str
    exit_code: int
    result: dict[str, Any]


class Reporter(Protocol):
    """Who is told how a run gets on: the terminal, a notebook, nobody."""

    def note(self, text: str) -> None:
        """Say something worth knowing."""

    def warn(self, text: str) -> None:
        """Say something nobody should miss."""

    def started(self, training: TrainingState) -> None:
        """The first step is about to be made."""

    def stepped(self, training: TrainingState) -> None:
        """A step was made."""

    def logged(self, training: TrainingState, entry: dict[str, Any]) -> None:
        """A line was added to the log."""

    def sampled(self, training: TrainingState, path: Path, step: int) -> None:
        """The sheet of ``step`` was written; on a GPU some steps later."""

    def saved(self, training: TrainingState, path: Path, step: int) -> None:
        """The checkpoint of ``step`` was written; on a GPU some steps later."""

    def finished(self, training: TrainingState, outcome: Outcome) -> None:
        """The run ended: done or interrupted."""


class Silent:
    """A reporter that says nothing."""

    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def started(self, training: TrainingState) -> None: ...
    def stepped(self, training: TrainingState) -> None: ...
    def logged(self, training: TrainingState, entry: dict[str, Any]) -> None: ...
    def sampled(self, training: TrainingState, path: Path, step: int) -> None: ...
    def saved(self, training: TrainingState, path: Path, step: int) -> None: ...
    def finished(self, training: TrainingState, outcome: Outcome) -> None: ...
