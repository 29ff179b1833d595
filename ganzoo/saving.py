"""What a run writes into a checkpoint, and how it goes on from one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo import checkpoint
from ganzoo.checkpoint import State
from ganzoo.errors import CheckpointError
from ganzoo.recipe import digest

if TYPE_CHECKING:
    from ganzoo.train import Training


def save(training: Training) -> None:
    """Write a checkpoint and drop the oldest beyond the number kept.

    Raises:
        TrainingError: if a weight is not finite; nothing is written then.
        MachineError: if the disk refuses.
    """
    parts = training.parts
    networks = {
        "generator": parts.generator.network,
        "discriminator": parts.discriminator.network,
    }
    training.health.watch_weights(training.step, networks)
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for role, network in networks.items():
        tensors |= checkpoint.pack_module(role, network)
        side = parts.generator if role == "generator" else parts.discriminator
        name = f"optimizer/{role}"
        packed, numbers[name] = checkpoint.pack_optimizer(name, side.optimizer)
        tensors |= packed
    if parts.average is not None:
        tensors |= checkpoint.pack_module("average", parts.average.network)
    for name in sorted({name for terms in training.window for name in terms}):
        tensors[f"window/{name}"] = torch.stack(
            [terms.get(name, torch.tensor(math.nan)).cpu() for terms in training.window]
        )
    state = State(
        step=training.step,
        log_lines=training.log_lines,
        recipe=digest(parts.recipe),
        optimizers=numbers,
        health=training.health.state(),
        measures=training.measures.state(),
        machine=parts.machine.state(),
    )
    path = training.run.checkpoints / f"step-{training.step:06d}.safetensors"
    checkpoint.write(path, tensors, state)
    for old in checkpoint.newest(training.run.checkpoints)[parts.recipe.checkpoint.keep :]:
        old.unlink(missing_ok=True)
    training.reporter.saved(training, path)


def restore(training: Training) -> None:
    """Go back to the newest checkpoint that can be read; leave things as they are without one.

    Raises:
        CheckpointError: if there are checkpoints and none can be read, or one does not fit.
    """
    found = checkpoint.newest(training.run.checkpoints)
    reasons = []
    for path in found:
        try:
            tensors, state = checkpoint.read(path)
        except CheckpointError as error:
            reasons.append(str(error))
            training.reporter.warn(f"{error}; it is set aside")
            path.rename(path.with_name(path.name + ".corrupt"))
            continue
        _adopt(training, tensors, state)
        return
    if reasons:
        raise CheckpointError("no checkpoint of the run can be read:\n" + "\n".join(reasons))
    training.run.cut_log(0)


def _adopt(training: Training, tensors: dict[str, Tensor], state: State) -> None:
    parts = training.parts
    for name, value in parts.machine.state().items():
        if state.machine.get(name) != value:
            training.reporter.warn(
                f"{name} was {state.machine.get(name)!r}, is {value!r}: the result may differ "
                "from an uninterrupted run in the last bits"
            )
    checkpoint.unpack_module("generator", parts.generator.network, tensors)
    checkpoint.unpack_module("discriminator", parts.discriminator.network, tensors)
    for role, side in (("generator", parts.generator), ("discriminator", parts.discriminator)):
        name = f"optimizer/{role}"
        checkpoint.unpack_optimizer(name, side.optimizer, tensors, state.optimizers.get(name, {}))
    if parts.average is not None:
        checkpoint.unpack_module("average", parts.average.network, tensors)
    window = checkpoint.select("window", tensors)
    length = max((len(values) for values in window.values()), default=0)
    training.window = [
        {name: values[i] for name, values in window.items() if not values[i].isnan()}
        for i in range(length)
    ]
    training.health.restore(state.health)
    training.measures.restore(state.measures)
    training.step = training.first_step = training.logged_step = state.step
    training.log_lines = state.log_lines
    training.run.cut_log(state.log_lines)
