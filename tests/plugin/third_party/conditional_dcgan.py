"""Conditional DCGAN: both networks are told the class (Mirza & Osindero 2014, arXiv:1411.1784)."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ganzoo.api import DiscriminatorSpec, GeneratorSpec, ImageShape, hookimpl


class Generator(nn.Module):
    """Makes images from a latent beside an embedding of the class."""

    def __init__(self, latent_size: int, image: ImageShape, width: int) -> None:
        super().__init__()
        self.corner = (width, image.height // 4, image.width // 4)
        size = self.corner[0] * self.corner[1] * self.corner[2]
        self.embed = nn.Embedding(image.num_classes, width)
        self.start = nn.Linear(latent_size + width, size)
        self.body = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, width, 4, 2, 1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, image.channels, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Return ``[N, C, H, W]`` in [-1, 1]."""
        start = self.start(torch.cat([latent, self.embed(labels)], 1))
        images: Tensor = self.body(start.unflatten(1, self.corner))
        return images


class Discriminator(nn.Module):
    """Scores images with the class as one more channel."""

    def __init__(self, image: ImageShape, width: int) -> None:
        super().__init__()
        self.sides = (1, image.height, image.width)
        self.embed = nn.Embedding(image.num_classes, image.height * image.width)
        self.body = nn.Sequential(
            nn.Conv2d(image.channels + 1, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.LazyLinear(1),
        )
        self.body(torch.zeros(1, image.channels + 1, image.height, image.width))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return ``[N]``."""
        plane = self.embed(labels).unflatten(1, self.sides)
        logits: Tensor = self.body(torch.cat([images, plane], 1))
        return logits.squeeze(1)


class ConditionalGenerator(GeneratorSpec):
    """A DCGAN generator that is told the class."""

    use: ClassVar[str] = "zoo_conditional"
    uses_labels: ClassVar[bool] = True

    width: PositiveInt = 8
    """Channels, and numbers in a class's embedding."""

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return the network."""
        return Generator(latent_size, image, self.width)


class ConditionalDiscriminator(DiscriminatorSpec):
    """A DCGAN discriminator that is told the class."""

    use: ClassVar[str] = "zoo_conditional"
    uses_labels: ClassVar[bool] = True

    width: PositiveInt = 8
    """Channels."""

    def build(self, image: ImageShape) -> nn.Module:
        """Return the network."""
        return Discriminator(image, self.width)


@hookimpl
def ganzoo_generators() -> list[type[GeneratorSpec]]:
    """Supply the generator."""
    return [ConditionalGenerator]


@hookimpl
def ganzoo_discriminators() -> list[type[DiscriminatorSpec]]:
    """Supply the discriminator."""
    return [ConditionalDiscriminator]
