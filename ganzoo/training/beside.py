"""A process of several that is not the first: it makes every step, and writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ganzoo.plugin.registry import Registry
from ganzoo.runs.folder import RunDir
from ganzoo.training import saving
from ganzoo.training.loop import Training, at_the_start
from ganzoo.training.parts import Parts
from ganzoo.training.signals import stopping
from ganzoo.training.state import Measures, NoMeasures, Outcome, Silent

NOWHERE = RunDir(Path("/nowhere"))


class Beside(Training):
    """A run in progress as the others make it."""

    def _log(self, *, is_measured: bool) -> None:
        if is_measured:
            self.measures.take(self.step)
        self.window.clear()
        self.log_lines += 1

    def _sample(self, number: int) -> None:
        pass

    def save(self) -> None:
        """Leave it to the first process."""

    def _stop(self, reason: str, exit_code: int) -> Outcome:
        return Outcome("interrupted", reason, exit_code, self._result("interrupted"))

    def _finish(self) -> Outcome:
        return Outcome("done", "", 0, self._result("done"))

    def _result(self, status: str, look: Mapping[str, float] | None = None) -> dict[str, Any]:  # noqa: ARG002
        return {"status": status, "step": self.step, **self.measures.result()}


def go_along(
    parts: Parts,
    registry: Registry,
    *,
    minutes: float | None = None,
    measured: Callable[[], Measures] = NoMeasures,
) -> Outcome:
    """Train along with the first process, from where it begins.

    Args:
        measured: returns what helps the first one to measure.

    Raises:
        TrainingError: if the run fails.
    """
    with stopping(lambda: None) as stop:
        training = at_the_start(parts, registry, NOWHERE, Silent(), measured, kind=Beside)
        saving.take(training)
        try:
            return training.loop(stop, minutes)
        finally:
            parts.feed.close()
