"""How a run fails: its status says so, and the user is told what to do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from ganzoo.common.errors import GanzooError, MemoryFullError, TrainingError
from ganzoo.common.memory import is_out_of_memory, memory_limit
from ganzoo.runs.folder import checkpoints
from ganzoo.training.parts import Parts
from ganzoo.training.state import TrainingState


@contextmanager
def failures(training: TrainingState) -> Iterator[None]:
    """Record a failure in the run's status and turn out-of-memory errors into advice."""
    try:
        yield
    except GanzooError as error:
        _record_failure(training, str(error))
        if isinstance(error, TrainingError):
            raise TrainingError(f"{error}; {_last_checkpoint(training)}") from error
        raise
    except BaseException as error:
        _record_failure(training, f"{type(error).__name__}: {error}")
        if is_out_of_memory(error):
            text = f"{out_of_memory(training.parts)}; {_last_checkpoint(training)}"
            raise MemoryFullError(text) from error
        raise
    finally:
        training.aside.close()
        training.parts.feed.close()


def _last_checkpoint(training: TrainingState) -> str:
    kept = checkpoints(training.run.checkpoints)
    return f"last good checkpoint: {kept[0]}" if kept else "no checkpoint was written yet"


def _record_failure(training: TrainingState, reason: str) -> None:
    status = "interrupted" if reason.startswith("KeyboardInterrupt") else "failed"
    for problem in training.aside.close():
        training.reporter.warn(f"another error while files were written: {problem}")
    try:
        training.run.set_status(status, training.step, reason)
    except GanzooError as error:
        training.reporter.warn(str(error))


def out_of_memory(parts: Parts) -> str:
    """Return the one line for a run that does not fit."""
    size = parts.recipe.train.batch_size
    return (
        f"out of memory at train.batch_size = {size} (images {parts.shape}, "
        f"{parts.machine.device}){memory_limit()}; try --set train.batch_size={max(1, size // 2)}"
    )


LARGE = 100_000_000
"""Bytes of a checkpoint from which on it is told what it takes."""


def predict_disk_use(training: TrainingState) -> None:
    """Tell before step 1 what large checkpoints take; warn when the run will not fit."""
    parts = training.parts
    weights, others = (
        sum(value.nbytes for network in networks for value in network.state_dict().values())
        for networks in (
            [side.network for side in parts.sides.values()],
            [each for name, each in parts.networks.items() if name not in parts.sides],
        )
    )
    # Two moments per weight.
    one, keep = 3 * weights + others, parts.recipe.checkpoint.keep
    samples = parts.recipe.samples
    sheets = parts.steps // samples.every if samples.every else 1
    if samples.each_epoch:
        sheets += int(parts.epoch(parts.steps))
    pixels = parts.shape.channels * parts.shape.height * parts.shape.width * len(training.fixed)
    # One more checkpoint than is kept while the newest is written.
    needed = one * (keep + 1) + sheets * pixels
    free = shutil.disk_usage(training.run.path).free
    if one >= LARGE:
        training.reporter.note(
            f"a checkpoint takes about {one / 1e6:,.0f} MB; checkpoint.keep = {keep}, the best one "
            f"beside them, and {free / 1e6:,.0f} MB are free at '{training.run.path}'"
        )
    if needed > free:
        training.reporter.warn(
            f"the run will need about {needed / 1e6:.0f} MB and {free / 1e6:.0f} MB are free at "
            f"'{training.run.path}'; make room, or lower checkpoint.keep"
        )
