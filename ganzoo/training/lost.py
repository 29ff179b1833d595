"""A run without a checkpoint: whether it may begin at step 0, or steps of it have been lost."""

from __future__ import annotations

import os
from pathlib import Path

from ganzoo.common.errors import LostError
from ganzoo.common.system import quoted
from ganzoo.runs.record import Record
from ganzoo.training.state import TrainingState

SET_ASIDE = ".corrupt"
"""Ends the name of a checkpoint that was found damaged."""


def refuse_unreadable(folder: Path) -> None:
    """Raise LostError where what ``folder`` holds cannot be told; a missing one holds nothing."""
    try:
        os.listdir(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise LostError(
            f"'{folder}' cannot be read: {error.strerror}; it should be the folder of the run's "
            "checkpoints; nothing was changed"
        ) from error


def refuse_lost(training: TrainingState, reasons: list[str]) -> None:
    """Raise LostError where the files show that steps were saved, and none is there to go on from.

    Args:
        reasons: why the checkpoints that were there could not be used.
    """
    run = training.run
    aside = [name for name in run.names(run.checkpoints.name) if name.endswith(SET_ASIDE)]
    signs = signs_of_saving(training)
    if aside:
        signs.append(f"set aside as damaged in '{run.checkpoints}': {', '.join(aside)}")
    if not reasons and not signs:
        return
    raise LostError(
        "\n".join(
            [
                f"run '{run.path}' has no checkpoint to resume from:",
                *(f"  {reason}" for reason in [*reasons, *signs]),
                f"put a checkpoint back into '{run.checkpoints}'; or start a new run: "
                f"ganzoo run {quoted(run.recipe)}",
            ]
        )
    )


def signs_of_saving(training: TrainingState) -> list[str]:
    """Return what shows, beside its checkpoints, that the run has saved some.

    A run that was killed before its first checkpoint was due shows none: nothing of it can have
    been lost but time.
    """
    run = training.run
    status = run.read_json("status.json")
    name, step = status.get("status"), _step(status.get("step"))
    signs = []
    is_stopped = str(status.get("reason", "")).startswith("KeyboardInterrupt")
    was_saved = name in {"done", "running"} or (name == "interrupted" and not is_stopped)
    due = first_due(training)
    if step and (was_saved or step > due):
        signs.append(f"'status.json' says {name}, at step {step}")
    if (logged := _step(Record(run).last_entry.get("step"))) > due:
        signs.append(f"'{run.log.name}' goes to step {logged}; a checkpoint was due at {due}")
    if run.has(run.generator.name):
        signs.append(f"there is '{run.generator.name}', which a finished run leaves")
    return signs


def first_due(training: TrainingState) -> int:
    """Return the step after which a run has written its first checkpoint at the latest."""
    recipe, steps = training.parts.recipe, training.parts.steps
    every = recipe.checkpoint.every or steps
    measured = recipe.measure.every
    if measured and training.measures.is_due(measured):
        every = min(every, measured)  # the first score is the best so far
    # Elsewhere than on a CPU a checkpoint is written beside the steps that follow it.
    behind = 0 if training.parts.machine.device.type == "cpu" else recipe.train.log_every
    return min(every, steps) + behind


def begin_again(training: TrainingState) -> None:
    """Take away what an attempt left that came to no checkpoint, and say so."""
    run = training.run
    if step := _step(Record(run).last_entry.get("step")):
        training.reporter.warn(
            f"the run was stopped at step {step} or later, before its first checkpoint: "
            "it restarts at step 0"
        )
    run.cut_log(0)
    for sheet in run.sheets():
        sheet.unlink()


def _step(found: object) -> int:
    return found if isinstance(found, int) else 0
