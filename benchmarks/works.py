"""The works that are measured, as recipes and as plain PyTorch networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from torch import nn

from ganzoo.plugin import registry
from ganzoo.recipe import source
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.model import Recipe

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Work:
    """One thing to train.

    Attributes:
        recipe: a shipped recipe or a file beside this one.
        overrides: ``key=value`` over it.
        networks: the same generator and discriminator as plain modules, as tutorials write them.
        channels: of the random images it trains on; 0 where it trains on its own data.
    """

    name: str
    recipe: str
    overrides: tuple[str, ...]
    networks: Callable[[], tuple[nn.Module, nn.Module]]
    channels: int
    size: int
    classes: int = 0
    """Classes of the random images."""

    def load(self, *more: str) -> tuple[Recipe, registry.Registry]:
        """Return the recipe without sheets, checkpoints and measures, and its plugins."""
        found = registry.load_plugins([HERE / "random_images.py"])
        own = HERE / f"{self.recipe}.toml"
        path = own if own.is_file() else source.find_recipe(self.recipe)
        images = (
            f'dataset={{use="random_images",channels={self.channels},size={self.size},'
            f"classes={self.classes}}}"
        )
        fixed = ("train.steps=1000000", "samples.every=0", "checkpoint.every=0", "metric=[]")
        data = (images,) if self.channels else ()
        return load_recipe(path, found, (*data, *fixed, *self.overrides, *more)), found


def flux(base: int, size: int = 28) -> tuple[nn.Module, nn.Module]:
    """Return the networks of Flux's MNIST tutorial with ``base`` in place of 64 channels."""
    start = size // 4
    area = start**2
    generator = nn.Sequential(
        nn.Linear(100, 4 * base * area, bias=False),
        nn.BatchNorm1d(4 * base * area),
        nn.ReLU(),
        nn.Unflatten(1, (4 * base, start, start)),
        nn.ConvTranspose2d(4 * base, 2 * base, 5, 1, 2, bias=False),
        nn.BatchNorm2d(2 * base),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * base, base, 4, 2, 1, bias=False),
        nn.BatchNorm2d(base),
        nn.ReLU(),
        nn.ConvTranspose2d(base, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, base, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Conv2d(base, 2 * base, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(2 * base * area, 1),
    )
    return generator.apply(first_weights), discriminator.apply(first_weights)


def dcgan64(base: int = 64) -> tuple[nn.Module, nn.Module]:
    """Return the 64×64 RGB networks of pytorch/examples (Radford et al. 2016)."""
    widths = [8 * base, 4 * base, 2 * base, base]
    up: list[nn.Module] = [
        nn.Unflatten(1, (100, 1, 1)),
        nn.ConvTranspose2d(100, widths[0], 4, 1, 0, bias=False),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(True),
    ]
    for inputs, outputs in pairwise(widths):
        up += [
            nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(True),
        ]
    up += [nn.ConvTranspose2d(base, 3, 4, 2, 1, bias=False), nn.Tanh()]
    down: list[nn.Module] = [nn.Conv2d(3, base, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for outputs, inputs in zip(widths[-2::-1], widths[:0:-1], strict=True):
        down += [
            nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(0.2, True),
        ]
    down.append(nn.Conv2d(widths[0], 1, 4, 1, 0, bias=False))
    return (
        nn.Sequential(*up).apply(first_weights),
        nn.Sequential(*down).apply(first_weights),
    )


def first_weights(module: nn.Module) -> None:
    """Draw N(0, 0.02²), as DCGAN does."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)


IMAGES = {
    "changed_digits": (1, 28, 10),
    "cifar10": (3, 32, 10),
    "digits": (1, 28, 10),
    "edges": (3, 64, 0),
    "fashion_mnist": (1, 28, 10),
    "folder": (3, 64, 0),
    "mnist": (1, 28, 10),
    "sprites": (3, 64, 0),
    "stacked_mnist": (3, 28, 1000),
    "unpaired": (3, 64, 0),
}
"""Channels, size and classes of the datasets that random images stand in for."""
SMALL = (
    "train.batch_size=64",
    "generator.base_channels=8",
    "discriminator.base_channels=8",
)
JOINT = "step.batching=joint"
"""Real images and fakes in one pass: the same scores where nothing couples a batch."""
WORKS = {
    work.name: work
    for work in (
        Work("w1", "dcgan_mnist", (), lambda: flux(64), 1, 28),
        Work("w2", "dcgan64", ("train.batch_size=32",), dcgan64, 3, 64),
        Work("small", "dcgan_mnist", SMALL, lambda: flux(8), 1, 28),
        Work("tiny", "dcgan_mnist", SMALL, lambda: flux(8, 8), 1, 8),
        Work("tiny-joint", "dcgan_mnist", (*SMALL, JOINT), lambda: flux(8, 8), 1, 8),
    )
}
