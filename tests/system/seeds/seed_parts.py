"""The seeds' recipes assembled on small random images, in double precision, with ears on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ganzoo.common.data_root import DataRoot
from ganzoo.plugin.registry import Registry, load_plugins
from ganzoo.plugin.specs import DatasetSpec
from ganzoo.plugin.types import ImageData, Split
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.model import Recipe
from ganzoo.recipe.source import find_recipe
from ganzoo.training.feed import Batch
from ganzoo.training.machine import Machine
from ganzoo.training.parts import Parts, assemble

MNIST_SEEDS = (
    "seed_flux_mnist",
    "seed_flux_mnist_literal",
    "seed_deconstructing_mnist",
    "seed_keras_mnist",
    "seed_keras_mnist_literal",
    "seed_upsample_mnist",
    "seed_upsample_mnist_corrected",
    "seed_upsample_mnist_program",
)
SPRITE_SEEDS = ("seed_d2l_sprites", "seed_d2l_ab", "seed_d2l_ab_classic")
SEEDS = MNIST_SEEDS + SPRITE_SEEDS


def image_shape(name: str) -> tuple[int, int, int]:
    """Return channels, height and width of a seed's images."""
    if name in SPRITE_SEEDS:
        return 3, 64, 64
    return (1, 32, 32) if name == "seed_upsample_mnist_program" else (1, 28, 28)


@cache
def registry() -> Registry:
    """Return ganzoo's own plugins."""
    return load_plugins(block=["*"])


def seed(name: str, *overrides: str) -> Recipe:
    """Return a shipped recipe."""
    return load_recipe(find_recipe(name), registry(), overrides)


class Pixels(DatasetSpec):
    """Random pixels of any shape, in ten classes."""

    use: ClassVar[str] = "pixels"

    shape: tuple[int, int, int]
    count: int = 24

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:  # noqa: ARG002
        generator = torch.Generator().manual_seed(1)
        images = torch.randint(
            256, (self.count, *self.shape), generator=generator, dtype=torch.uint8
        )
        labels = torch.arange(self.count) % 10
        return ImageData(images, labels, tuple("0123456789"), "random pixels", "0" * 64)


def assembled(name: str, *overrides: str, count: int = 24) -> Parts:
    """Return the parts of a seed on random pixels, batch size 6 unless overridden."""
    found = seed(name, "train.batch_size=6", *overrides)
    pixels = Pixels(shape=image_shape(name), count=count, value_range=found.dataset.value_range)
    return assemble(
        found.model_copy(update={"dataset": pixels}),
        registry(),
        DataRoot(Path("nowhere"), download=False),
        Machine(torch.device("cpu")),
        warn=print,
    )


@dataclass
class Heard:
    """What reached a network, call by call."""

    inputs: list[Tensor] = field(default_factory=list)
    was_training: list[bool] = field(default_factory=list)


def listen(network: nn.Module) -> Heard:
    """Note every input of ``network`` and hand it on in double precision."""
    heard = Heard()

    def hook(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        first = inputs[0].double()
        heard.inputs.append(first.detach())
        heard.was_training.append(module.training)
        return (first, *inputs[1:])

    network.register_forward_pre_hook(hook)
    return heard


def listen_to_dropout(network: nn.Module) -> list[Tensor]:
    """Return a list that will fill with what each dropout in training kept, as 0 and 1."""
    kept: list[Tensor] = []

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if module.training:
            kept.append((output.detach() != 0).to(inputs[0].dtype))

    for module in network.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d):
            module.register_forward_hook(hook)
    return kept


def double_batch(parts: Parts, number: int) -> Batch:
    """Return batch ``number`` in double precision."""
    batch = parts.feed(number)
    return Batch(batch.images.double(), batch.labels)
