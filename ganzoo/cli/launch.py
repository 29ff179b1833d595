"""From a checked recipe to a finished run, for the verbs that train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganzoo.cli import output as streams
from ganzoo.cli.options import Place
from ganzoo.cli.summaries import resume_command

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
        from ganzoo.common.data_root import DataRoot, data_root
        from ganzoo.training.guards import try_out
        from ganzoo.training.machine import prepare
        from ganzoo.training.parts import assemble

        place, display = self.place, self.display
        machine, warning = prepare(
            place.device,
            threads=place.threads,
            workers=place.workers,
            precision=place.precision,
            deterministic=place.deterministic,
        )
        if warning:
            display.warn(warning)
        root = DataRoot(data_root(place.data), not place.offline, display.transfers)
        parts = assemble(recipe, self.registry, root, machine, warn=display.warn)
        try_out(parts, display)
        return parts

    def train(self, parts: Assembly, run: RunDir, *, resume: bool) -> int:
        """Train in the folder ``run``, print the result and return the exit code."""
        from ganzoo.common.errors import GanzooError
        from ganzoo.report.run_page import leave_page
        from ganzoo.training.loop import start

        try:
            outcome = start(
                parts,
                self.registry,
                run,
                self.display,
                resume=resume,
                minutes=self.minutes,
                track=self.track,
            )
        except GanzooError:
            leave_page(run, self.display.warn)
            raise
        except KeyboardInterrupt as stop:
            stop.add_note(f"go on from the last checkpoint: {resume_command(run)}")
            raise
        finally:
            self.display.close()
        self.print_result(run, {"reason": outcome.reason, **outcome.result})
        return outcome.exit_code

    def print_result(self, run: RunDir, result: dict[str, object]) -> None:
        """Print the run's folder, or all of its result; a reader who is gone is no failure."""
        shown = {"run": str(run.path), **result} if self.as_json else str(run.path)
        streams.result(shown, steady=True)
