"""From a checked recipe to a finished run, for the verbs that train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganzoo.cli import output as streams
from ganzoo.cli.summaries import resume_command
from ganzoo.training.place import Place

if TYPE_CHECKING:
    from ganzoo.cli.progress import Display
    from ganzoo.plugin.registry import Registry
    from ganzoo.recipe.model import Recipe
    from ganzoo.runs.folder import RunDir
    from ganzoo.training.parts import Assembly


@dataclass(frozen=True)
class Launch:
    """What a run needs beside its recipe and its folder."""

    registry: Registry
    place: Place
    display: Display
    minutes: float | None
    as_json: bool
    track: tuple[str, ...] = ()
    """Trackers that were asked for."""

    def build(self, recipe: Recipe) -> Assembly:
        """Build all parts on the device and try one step of each on copies.

        Raises:
            GanzooError: if a part cannot be built or trains nothing.
        """
        self.display.note("the recipe is in order; building data and networks …")
        from ganzoo import session

        display = self.display
        return session.build(
            recipe,
            self.registry,
            self.place,
            display,
            lacking=display.warn,
            progress=display.transfers,
        )

    def train(self, parts: Assembly, run: RunDir, *, resume: bool) -> int:
        """Train in the folder ``run``, print the result and return the exit code."""
        from ganzoo import session

        try:
            outcome = session.train(
                parts,
                run,
                self.registry,
                self.display,
                resume=resume,
                minutes=self.minutes,
                track=self.track,
            )
        except KeyboardInterrupt as stop:
            stop.add_note(f"go on from the last checkpoint: {resume_command(run)}")
            raise
        finally:
            self.display.close()
        self.display.conclude()
        self.print_result(run, {"reason": outcome.reason, **outcome.result})
        return outcome.exit_code

    def print_result(self, run: RunDir, result: dict[str, object]) -> None:
        """Print the run's folder, or all of its result; a reader who is gone is no failure."""
        shown = {"run": str(run.path), **result} if self.as_json else str(run.path)
        streams.result(shown, steady=True)
