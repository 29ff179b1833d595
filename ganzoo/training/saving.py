"""What a run writes into a checkpoint, and how it goes on from one."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.common import system
from ganzoo.common.errors import CheckpointError, DamagedError
from ganzoo.plugin.ramps import at_step
from ganzoo.recipe.model import BUDGET, departures, digest, plain
from ganzoo.runs import checkpoint
from ganzoo.runs.checkpoint import State
from ganzoo.runs.folder import RunDir, checkpoints
from ganzoo.runs.optimizer_state import Entries, pack_optimizer, unpack_optimizer
from ganzoo.runs.record import Record, real
from ganzoo.training.background import Tensors
from ganzoo.training.ema import LONG
from ganzoo.training.lost import SET_ASIDE, begin_again, refuse_lost, refuse_unreadable
from ganzoo.training.parts import REST
from ganzoo.training.randomness import observing
from ganzoo.training.same_data import refuse_other_data
from ganzoo.training.state import TrainingState
from ganzoo.training.step import Side

MOST_TERMS = 1000
"""Of the losses, in a checkpoint that is not forged."""


def save(training: TrainingState) -> None:
    """Write a checkpoint; of the others, keep the newest K and the best by the first metric.

    Raises:
        TrainingError: if a weight or an optimizer's state is not finite; nothing is written then.
        MachineError: if the disk refuses.
    """
    parts = training.parts
    networks = parts.networks
    training.health.watch_weights(training.step, networks)
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for place, network in networks.items():
        tensors |= checkpoint.pack_module(place, network)
    for role, side in parts.sides.items():
        name = f"optimizer/{role}"
        packed, numbers[name] = pack_optimizer(name, side.optimizer)
        training.health.watch_state(training.step, name, {**packed, **numbers[name]})
        tensors |= packed
    # The terms since the last line of the log are saved too, or the next line of a resumed run
    # would be another. NaN stands for a term that a step did not have.
    missing = torch.tensor(math.nan, device=parts.machine.device)
    for name in sorted({name for terms in training.window for name in terms}):
        tensors[f"window/{name}"] = torch.stack(
            [terms.get(name, missing) for terms in training.window]
        )
    state = State(
        step=training.step,
        log_lines=training.log_lines,
        recipe=digest(parts.recipe),
        settings=plain(parts.recipe),
        optimizers=numbers,
        health=training.health.state(),
        measures=training.measures.state(),
        machine=parts.machine.state(),
    )
    # Read now: when the writer gets to it, the run may be steps further.
    step, best = training.step, training.measures.best_step
    path = path_of(training, step)
    kept = None if best is None else path_of(training, best)

    def write(copies: Tensors) -> None:
        checkpoint.write(path, copies, state)
        for old in checkpoints(training.run.checkpoints)[parts.recipe.checkpoint.keep :]:
            if old != kept:
                old.unlink(missing_ok=True)

    training.aside.hand(tensors, write, lambda: training.reporter.saved(training, path, step))


def after_one_step(side: Side, steps: int) -> Entries:
    """Return what the optimizer of ``side`` remembers once it has moved weights, tried on others.

    Nothing where it cannot be tried so.
    """
    first = at_step(side.spec, lambda ramp: ramp.at(0, steps))
    with observing():
        others = [nn.Parameter(torch.zeros_like(weight)) for weight in side.moved]
        for other in others:
            other.grad = torch.zeros_like(other)
        try:
            optimizer = first.build(others)
            optimizer.step()
            state: Entries = optimizer.state_dict()["state"]
        except Exception:  # noqa: BLE001  a plugin's, which may want a closure or gradients
            return {}
    return state


def path_of(training: TrainingState, step: int) -> Path:
    """Return where the checkpoint after ``step`` steps lies."""
    return training.run.checkpoints / f"step-{step:06d}.safetensors"


def restore(training: TrainingState) -> bool:
    """Go back to the newest checkpoint that is whole; return whether there was one.

    Damaged ones are set aside. One that is whole and cannot be used is left alone, as are older
    ones: another version, or another user, may well go on from it.

    Raises:
        DataError: if the data is not that which the run began with.
        LostError: if steps were saved and no checkpoint is left of them.
        CheckpointError: if one cannot be read or does not fit.
    """
    parts = training.parts
    refuse_other_data(training.run, parts.recipe.dataset, parts.dataset, parts.data)
    refuse_unreadable(training.run.checkpoints)
    found = checkpoints(training.run.checkpoints)
    reasons = []
    for path in found:
        try:
            tensors, state = checkpoint.read_checkpoint(path)
        except DamagedError as error:
            reasons.append(str(error))
            training.reporter.warn(f"{error}; it is set aside")
            system.replace(path, path.with_name(path.name + SET_ASIDE))
            continue
        with checkpoint.fitting(path):
            _adopt(training, tensors, state)
        # Lines after the checkpoint are of steps that are made again.
        training.run.cut_log(state.log_lines)
        training.seconds_before = seconds_so_far(training.run)
        return True
    refuse_lost(training, reasons)
    begin_again(training)
    return False


def hand(training: TrainingState, *, is_restored: bool) -> None:
    """Give the checkpoint that was gone back to to the other processes."""
    content = b""
    if is_restored:
        path = path_of(training, training.step)
        content = training.run.read("checkpoints", path.name, most=path.stat().st_size)
    training.parts.group.hand(content)


def take(training: TrainingState) -> None:
    """Begin where the first process begins: with the same checkpoint, which it need not share.

    Raises:
        CheckpointError: if it does not fit.
    """
    content = training.parts.group.hand()
    if not content:
        return
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as folder:
        path = Path(folder) / "checkpoint.safetensors"
        path.write_bytes(content)
        tensors, state = checkpoint.read_checkpoint(path)
        with checkpoint.fitting(path):
            _adopt(training, tensors, state)


def _adopt(training: TrainingState, tensors: dict[str, Tensor], state: State) -> None:
    parts = training.parts
    if state.step > parts.steps:
        raise CheckpointError(f"the checkpoint is of step {state.step}, the run has {parts.steps}")
    refuse_another_recipe(training, state)
    for name, value in parts.machine.state().items():
        if state.machine.get(name) != value:
            training.reporter.warn(
                f"{name} was {state.machine.get(name)!r}, is {value!r}: the result may differ "
                "from an uninterrupted run in the last bits"
            )
    for place, network in parts.networks.items():
        if place.startswith(REST) and not checkpoint.select(place, tensors):
            training.reporter.warn(
                f"the checkpoint is from an earlier ganzoo, whose averages did not move at an "
                f"ema.half_life above {LONG:,.0f}: from step {state.step} on it moves"
            )
            continue
        checkpoint.unpack_module(place, network, tensors)
    for role, side in parts.sides.items():
        name = f"optimizer/{role}"
        numbers = state.optimizers.get(name, {})
        # A generator that still waits has not been moved, and its optimizer remembers nothing.
        is_maker = parts.recipe.step.players[role] == "generator"
        is_still = is_maker and state.step <= parts.recipe.step.waits()
        wanted = after_one_step(side, parts.steps) if state.step and not is_still else {}
        unpack_optimizer(name, side.optimizer, tensors, numbers, wanted)
    window = {
        name: values.to(parts.machine.device)
        for name, values in checkpoint.select("window", tensors).items()
    }
    if len(window) > MOST_TERMS:
        raise CheckpointError(f"'window' holds {len(window)} terms, more than {MOST_TERMS:,}")
    if any(values.ndim != 1 for values in window.values()):
        raise CheckpointError("'window' is not one finite number for each step")
    length = max((len(values) for values in window.values()), default=0)
    if length > parts.recipe.train.log_every:
        raise CheckpointError(f"'window' holds {length} steps, more than train.log_every")
    if any(
        values.shape != (length,) or not values.is_floating_point() or values.isinf().any()
        for values in window.values()
    ):
        raise CheckpointError("'window' is not one finite number for each step")
    training.window = [
        {name: values[i] for name, values in window.items() if not values[i].isnan()}
        for i in range(length)
    ]
    training.health.restore(state.health)
    training.measures.restore(state.measures, state.step)
    training.step = training.first_step = training.logged_step = state.step
    training.log_lines = state.log_lines


def refuse_another_recipe(training: TrainingState, state: State) -> None:
    """Raise CheckpointError where the recipe that made a checkpoint differs in more than length.

    Checkpoints of earlier versions hold no more than a digest, which says of a run that was made
    longer, or met new keys, only that something differs: that is told.
    """
    recipe = training.parts.recipe
    if state.recipe == digest(recipe):
        return
    if not state.settings:
        training.reporter.warn(
            "the checkpoint is from an earlier ganzoo, and its recipe differs from this run's: "
            "this is expected if the run was extended or ganzoo has new keys; otherwise stop it"
        )
        return
    found = [each for each in departures(state.settings, recipe) if each[0] not in BUDGET]
    if found:
        listed = "; ".join(f"{key} was {was!r}, is {now!r}" for key, was, now in sorted(found)[:5])
        raise CheckpointError(f"it was written with another recipe: {listed}")


def seconds_so_far(run: RunDir) -> float:
    """Return the training time in the last line of the log; 0 where it says none."""
    return real(Record(run).last_entry.get("seconds")) or 0.0
