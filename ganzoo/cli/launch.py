"""From a checked recipe to a finished run, for the verbs that train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganzoo.cli import output as streams
from ganzoo.cli.summaries import resume_command, short_name
from ganzoo.common.errors import DataError, GanzooError
from ganzoo.runs.folder import checkpoints
from ganzoo.runs.record import Record
from ganzoo.runs.verdict import verdict
from ganzoo.training.place import Place

if TYPE_CHECKING:
    from ganzoo.cli.progress import Display
    from ganzoo.plugin.registry import Registry
    from ganzoo.recipe.model import Recipe
    from ganzoo.runs.folder import RunDir
    from ganzoo.training.parts import Parts


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

    def build(self, recipe: Recipe, *, begins: bool = True, may_give_way: bool = False) -> Parts:
        """Build all parts on the device and try one step of each on copies.

        Args:
            begins: whether the networks get the weights that the recipe begins with.
            may_give_way: whether its fallback recipe will do; see ``session.build``.

        Raises:
            GanzooError: if a part cannot be built or trains nothing.
        """
        self.display.note("Recipe OK. Loading data and building networks …")
        from ganzoo import session

        display = self.display
        return session.build(
            recipe,
            self.registry,
            self.place,
            display,
            lacking=display.warn,
            progress=display.transfers,
            begins=begins,
            may_give_way=may_give_way,
        )

    def train(self, parts: Parts, run: RunDir, *, resume: bool, longer: bool = False) -> int:
        """Train in the folder ``run``, print the result and return the exit code."""
        from ganzoo import session

        try:
            outcome = session.train(
                parts,
                run,
                self.registry,
                self.display,
                resume=resume,
                longer=longer,
                minutes=self.minutes,
                track=self.track,
            )
        except KeyboardInterrupt as stop:
            stop.add_note(f"resume from the last checkpoint: {resume_command(run)}")
            raise
        finally:
            self.display.close()
        self.display.conclude()
        told = verdict(run, outcome.result)
        found = None if told is None else told.plain()
        self.print_result(run, {"reason": outcome.reason, **outcome.result, "verdict": found})
        return outcome.exit_code

    def print_result(self, run: RunDir, result: dict[str, object]) -> None:
        """Print the run's folder, or all of its result; a reader who is gone is no failure."""
        shown = {"run": str(run.path), **result} if self.as_json else str(run.path)
        streams.result(shown, steady=True)


def go_on(launch: Launch, run: RunDir, recipe: Recipe, *, is_extended: bool = False) -> int:
    """Train on; a run that is done is left alone unless its length was changed."""
    record = Record(run)
    if record.status == "done" and not is_extended:
        length = "epochs" if recipe.train.steps is None else "steps"
        launch.display.note(
            f"run {short_name(run)} is done, at step {record.step:,}; to train "
            f"longer: ganzoo resume {short_name(run)} --set train.{length}=N"
        )
        launch.print_result(run, dict(record.result))
        return 0
    try:
        built = launch.build(recipe, begins=not checkpoints(run.checkpoints))
    except DataError as error:
        if not hasattr(recipe.dataset, "path"):
            raise
        raise DataError(
            f"{error}\nif the same data has moved: {resume_command(run)} --data-path FOLDER"
        ) from error
    built.group.compare({"run": run.id})
    if is_extended:
        check_extension(run, built, record.step, launch.display)
    return launch.train(built, run, resume=True, longer=is_extended)


def check_extension(run: RunDir, parts: Parts, made: int, display: Display) -> None:
    """Say what it means that the run is made longer, before anything of it is changed.

    Raises:
        GanzooError: if it is already longer than that.
    """
    if parts.steps < made:
        raise GanzooError(
            f"run {short_name(run)} has already trained {made} steps, more than the {parts.steps} "
            "requested"
        )
    optimizers = parts.recipe.optimizer
    if {optimizers.generator.schedule, optimizers.discriminator.schedule} & {
        "linear",
        "cosine",
        "late_linear",
    }:
        display.warn(
            "the learning rate's schedule is stretched to the new length: the result differs "
            "from a run that had this length from the start"
        )
