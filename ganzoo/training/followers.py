"""Plugins that follow a run: called through the run-time hooks, and never able to stop it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from ganzoo.common.errors import GanzooError, PluginError, say, suggest
from ganzoo.common.text import is_number
from ganzoo.plugin.contract import trackers_of
from ganzoo.plugin.limits import signals_noted
from ganzoo.plugin.registry import Registry
from ganzoo.plugin.types import RunInfo
from ganzoo.training.randomness import observing
from ganzoo.training.state import Outcome, Reporter, TrainingState


class Tracked:
    """A reporter that tells another one, and every plugin that follows runs.

    A plugin that raises is told once and left alone for the rest of the run. Nothing it does to
    random generators reaches the training, and what it prints goes to stderr.

    Args:
        reporter: who is told first.
        registry: whose plugins follow.
        track: the trackers that the user asked for.

    Raises:
        GanzooError: if no plugin has a tracker of such a name.
    """

    def __init__(self, reporter: Reporter, registry: Registry, track: Collection[str]) -> None:
        self.reporter = reporter
        self.trackers = frozenset(track)
        self._hooks = registry.manager.hook
        self._silenced: set[str] = set()
        self._run: RunInfo | None = None
        known = self._known()
        for name in sorted(self.trackers - known):
            there = ", ".join(sorted(known)) or "none"
            near = suggest(name, known, then=f"there are {there}")
            raise GanzooError(f"no tracker named {name!r}{near}")

    def note(self, text: str) -> None:
        """Say something worth knowing."""
        self.reporter.note(text)

    def warn(self, text: str) -> None:
        """Say something nobody should miss."""
        self.reporter.warn(text)

    def started(self, training: TrainingState) -> None:
        """The first step is about to be made."""
        self.reporter.started(training)
        path = training.run.path
        self._run = RunInfo(
            path=path,
            name=f"{path.parent.name}/{path.name}",
            recipe=training.parts.recipe.model_dump(mode="json", exclude_none=True),
            steps=training.parts.steps,
            start=training.step,
            trackers=self.trackers,
        )
        self._call("ganzoo_run_started")

    def stepped(self, training: TrainingState) -> None:
        """A step was made."""
        self.reporter.stepped(training)

    def logged(self, training: TrainingState, entry: dict[str, Any]) -> None:
        """A line was added to the log."""
        self.reporter.logged(training, entry)
        values = {name: value for name, value in entry.items() if is_number(value)}
        values.pop("step", None)
        self._call("ganzoo_logged", step=training.step, values=values)

    def sampled(self, training: TrainingState, path: Path, step: int) -> None:
        """A sheet was written."""
        self.reporter.sampled(training, path, step)
        self._call("ganzoo_sampled", step=step, path=path)

    def saved(self, training: TrainingState, path: Path, step: int) -> None:
        """A checkpoint was written."""
        self.reporter.saved(training, path, step)
        self._call("ganzoo_checkpointed", step=step, path=path)

    def finished(self, training: TrainingState, outcome: Outcome) -> None:
        """The run ended: done or interrupted."""
        self._end(training.step, outcome.status, outcome.result)
        self.reporter.finished(training, outcome)

    @contextlib.contextmanager
    def following(self, training: TrainingState) -> Iterator[None]:
        """Tell the plugins of a failure inside the block, too."""
        try:
            yield
        except BaseException:
            self._end(training.step, "failed", {})
            raise

    def _end(self, step: int, status: str, result: Mapping[str, Any]) -> None:
        self._call("ganzoo_run_finished", step=step, status=status, result=result)
        self._run = None

    def _known(self) -> set[str]:
        found: set[str] = set()
        for name, function, _ in self._followers("ganzoo_trackers"):
            try:
                found |= set(trackers_of(function))
            except PluginError as error:
                self.warn(f"plugin {name!r} cannot name its trackers: {error}")
        return found

    def _call(self, hook: str, **given: Any) -> None:
        if self._run is None:
            return
        arguments = {"run": self._run, **given}
        for name, function, wanted in self._followers(hook):
            if name in self._silenced:
                continue
            with signals_noted() as is_stop:
                try:
                    with observing(), contextlib.redirect_stdout(sys.stderr):
                        function(*(arguments[one] for one in wanted))
                except BaseException as error:  # any plugin's
                    if is_stop(error):
                        raise
                    self._silenced.add(name)
                    self.warn(
                        f"plugin {name!r} failed in {hook} and is switched off for "
                        f"this run; training continues: {say(error)}"
                    )

    def _followers(self, hook: str) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
        for each in getattr(self._hooks, hook).get_hookimpls():
            yield each.plugin_name.partition(" = ")[0], each.function, each.argnames
