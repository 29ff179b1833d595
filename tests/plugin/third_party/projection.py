"""Projection discriminator (Miyato & Koyama 2018, arXiv:1802.05637) and conditional batch norm."""

from __future__ import annotations

from typing import ClassVar

from pydantic import PositiveInt
from torch import Tensor, nn

from ganzoo.api import DiscriminatorSpec, GeneratorSpec, ImageShape, hookimpl


class ConditionalNorm(nn.Module):
    """Batch norm with a scale and shift for each class (Dumoulin et al. 2017, equation 5)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale = nn.Embedding(classes, channels)
        self.shift = nn.Embedding(classes, channels)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, values: Tensor, labels: Tensor) -> Tensor:
        """Return ``[N, C, H, W]``."""
        scale, shift = self.scale(labels), self.shift(labels)
        changed: Tensor = self.norm(values) * scale[:, :, None, None] + shift[:, :, None, None]
        return changed


class Generator(nn.Module):
    """Makes images; the class enters through the norms alone."""

    def __init__(self, latent_size: int, image: ImageShape, width: int) -> None:
        super().__init__()
        self.corner = (width, image.height // 4, image.width // 4)
        self.start = nn.Linear(latent_size, width * self.corner[1] * self.corner[2])
        self.first = ConditionalNorm(width, image.num_classes)
        self.up = nn.ConvTranspose2d(width, width, 4, 2, 1)
        self.second = ConditionalNorm(width, image.num_classes)
        self.out = nn.ConvTranspose2d(width, image.channels, 4, 2, 1)

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Return ``[N, C, H, W]`` in [-1, 1]."""
        values = self.first(self.start(latent).unflatten(1, self.corner), labels).relu()
        values = self.second(self.up(values), labels).relu()
        images: Tensor = self.out(values)
        return images.tanh()


class Discriminator(nn.Module):
    """Returns ψ(φ(x)) + yᵀVφ(x), equation 3 of the paper."""

    def __init__(self, image: ImageShape, width: int) -> None:
        super().__init__()
        spectral = nn.utils.parametrizations.spectral_norm
        self.body = nn.Sequential(
            spectral(nn.Conv2d(image.channels, width, 4, 2, 1)),
            nn.LeakyReLU(0.1),
            spectral(nn.Conv2d(width, width, 4, 2, 1)),
            nn.LeakyReLU(0.1),
        )
        self.score = nn.Linear(width, 1)
        self.classes = nn.Embedding(image.num_classes, width)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return ``[N]``."""
        features: Tensor = self.body(images).sum((2, 3))
        projected = (self.classes(labels) * features).sum(1)
        logits: Tensor = self.score(features).squeeze(1) + projected
        return logits


class ProjectionGenerator(GeneratorSpec):
    """A generator with conditional batch norm."""

    use: ClassVar[str] = "zoo_conditional_norm"
    uses_labels: ClassVar[bool] = True

    width: PositiveInt = 8
    """Channels."""

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return the network."""
        return Generator(latent_size, image, self.width)


class ProjectionDiscriminator(DiscriminatorSpec):
    """A discriminator that compares its features with an embedding of the class."""

    use: ClassVar[str] = "zoo_projection"
    uses_labels: ClassVar[bool] = True

    width: PositiveInt = 8
    """Channels."""

    def build(self, image: ImageShape) -> nn.Module:
        """Return the network."""
        return Discriminator(image, self.width)


@hookimpl
def ganzoo_generators() -> list[type[GeneratorSpec]]:
    """Supply the generator."""
    return [ProjectionGenerator]


@hookimpl
def ganzoo_discriminators() -> list[type[DiscriminatorSpec]]:
    """Supply the discriminator."""
    return [ProjectionDiscriminator]
