"""Who is told how a run gets on: the terminal, a notebook, nobody."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ganzoo.training.loop import Training


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

    def started(self, training: Training) -> None:
        """The first step is about to be made."""

    def stepped(self, training: Training) -> None:
        """A step was made."""

    def logged(self, training: Training, entry: dict[str, Any]) -> None:
        """A line was added to the log."""

    def sampled(self, training: Training, path: Path, step: int) -> None:
        """The sheet of ``step`` was written; on a GPU some steps later."""

    def saved(self, training: Training, path: Path, step: int) -> None:
        """The checkpoint of ``step`` was written; on a GPU some steps later."""

    def finished(self, training: Training, outcome: Outcome) -> None:
        """The run ended: done or interrupted."""


class Silent:
    """A reporter that says nothing."""

    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def started(self, training: Training) -> None: ...
    def stepped(self, training: Training) -> None: ...
    def logged(self, training: Training, entry: dict[str, Any]) -> None: ...
    def sampled(self, training: Training, path: Path, step: int) -> None: ...
    def saved(self, training: Training, path: Path, step: int) -> None: ...
    def finished(self, training: Training, outcome: Outcome) -> None: ...
