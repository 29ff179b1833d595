"""``python -m benchmarks.recipes``: every shipped recipe beside itself made of plain parts.

The plain loop has PyTorch's own layers in place of ganzoo's quicker forms, as ordinary ports of the
papers have them (``benchmarks.plain``), PyTorch's default optimizers, images through a DataLoader
with torchvision's transforms, and ``.item()`` on every term of every step. Networks, losses,
regularizers and the order of updates are the recipe's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.contestants import Pictures, ganzoo_loop, ganzoo_parts, without_end
from benchmarks.plain import FORWARDS
from benchmarks.timing import interleaved, ratio
from benchmarks.works import IMAGES, Work
from ganzoo.plugin import registry
from ganzoo.plugin.types import is_points
from ganzoo.recipe import source
from ganzoo.recipe.check import load_recipe
from ganzoo.training.feed import Batch
from ganzoo.training.machine import Machine, device_name, set_up
from ganzoo.training.parts import Parts
from ganzoo.training.precision import cast_of
from ganzoo.training.step import AdversarialStep
from ganzoo_dcgan.layers import Dropout

LARGEST_BATCH = {64: 16}
"""Images of a batch at most, by size: a step of a large recipe takes many seconds on a CPU."""
OPTIONS = {
    torch.optim.Adam: ("lr", "betas", "eps", "weight_decay", "amsgrad"),
    torch.optim.RMSprop: ("lr", "alpha", "eps", "weight_decay", "momentum", "centered"),
    torch.optim.SGD: ("lr", "momentum", "nesterov", "weight_decay"),
}


def main(arguments: list[str] | None = None) -> int:
    """Measure the recipes asked for, print a table and write JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipes", description=__doc__)
    parser.add_argument("recipes", nargs="*", help="names of shipped recipes; all without any")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, help="images of a step at most")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one turn")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    machine, _ = set_up(asked.device, threads=asked.threads, precision="fp32")
    print(f"{device_name(machine.device)}, {machine.threads} thread(s), torch {torch.__version__}")
    is_cpu_time = machine.device.type == "cpu" and machine.threads == 1
    found = {}
    for name in asked.recipes or source.shipped():
        work = work_of(name, asked.batch)
        calls = {"plain": plain_loop(work, machine), "ganzoo": ganzoo_loop(work, machine)}
        times = interleaved(
            calls,
            rounds=asked.rounds,
            seconds=asked.seconds,
            cuda=machine.device.type == "cuda",
        )
        theirs, own = (times[each].told(on_processor=is_cpu_time) for each in calls)
        row = {
            "batch": work.load()[0].train.batch_size,
            "plain_ms": 1e3 * statistics.median(theirs),
            "ganzoo_ms": 1e3 * statistics.median(own),
            "times_plain": ratio(theirs, own),
        }
        found[name] = row
        print(
            f"{name:32} batch {row['batch']:4}  plain {row['plain_ms']:9.2f} ms  "
            f"ganzoo {row['ganzoo_ms']:9.2f} ms  {row['times_plain']:5.2f} x",
            flush=True,
        )
    if asked.json:
        asked.json.write_text(json.dumps({"machine": machine.state(), **found}, indent=1) + "\n")
    return 0


def work_of(name: str, most: int | None = None) -> Work:
    """Return a shipped recipe as a work: random pixels for images, points as they are."""
    recipe = load_recipe(source.find_recipe(name), registry.load_plugins([]), ())
    channels, size, classes = IMAGES.get(recipe.dataset.use, (0, 0, 0))
    size = getattr(recipe.dataset, "size", None) or size
    most = most or LARGEST_BATCH.get(size, recipe.train.batch_size)
    batch = min(recipe.train.batch_size, most)
    overrides = (f"train.batch_size={batch}",)
    return Work(name, name, overrides, _no_networks, channels, size, classes)


def plain_loop(work: Work, machine: Machine) -> Callable[[], object]:
    """Return one turn of the recipe's step in plain parts."""
    parts, _ = ganzoo_parts(work, machine)
    recipe = parts.recipe
    make_plain(parts)
    step = AdversarialStep(
        recipe,
        parts.generator,
        parts.discriminator,
        parts.noise,
        cast_of(machine.precision),
        own=parts.own,
        steps=parts.steps,
    )
    images = parts.data.images
    assert isinstance(images, Tensor)
    labels = parts.data.labels
    loader: DataLoader[Any] = DataLoader(
        TensorDataset(images) if is_points(parts.shape) else Pictures(images),
        batch_size=recipe.train.batch_size,
        shuffle=True,
        drop_last=True,
    )
    batches = without_end(loader)
    number = 0

    def turn() -> list[float]:
        nonlocal number
        terms = step(
            number,
            lambda _: Batch(
                next(batches)[0].to(machine.device),
                None if labels is None else labels[: recipe.train.batch_size].to(machine.device),
            ),
        )
        number += 1
        return [value.item() for value in terms.values()]

    return turn


def make_plain(parts: Parts) -> None:
    """Give both sides PyTorch's layers and optimizers, in place; the weights stay what they are."""
    for side in (parts.generator, parts.discriminator):
        with_plain_layers(side.network)
        side.optimizer = default(side.optimizer, side.moved)
        for group in side.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])


def with_plain_layers(network: nn.Module) -> nn.Module:
    """Give a network the layers of ordinary ports, in place; the weights stay what they are."""
    for module in network.modules():
        for kind, forward in FORWARDS.items():
            if isinstance(module, kind):
                module.forward = forward.__get__(module)  # type: ignore[method-assign]
                break
        for name, child in module.named_children():
            if isinstance(child, Dropout):
                setattr(module, name, nn.Dropout(child.p))
    return network


def default(optimizer: Optimizer, parameters: list[nn.Parameter]) -> Optimizer:
    """Return PyTorch's own optimizer of the kind, as its defaults would have it run."""
    for kind, options in OPTIONS.items():
        if isinstance(optimizer, kind):
            found: Optimizer = kind(
                parameters, **{option: optimizer.defaults[option] for option in options}
            )
            return found
    return type(optimizer)(parameters, **optimizer.defaults)


def _no_networks() -> tuple[nn.Module, nn.Module]:
    raise NotImplementedError("a shipped recipe builds its own")


if __name__ == "__main__":
    sys.exit(main())
