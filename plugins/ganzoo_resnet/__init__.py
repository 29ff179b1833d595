"""Built-in residual networks: WGAN-GP, SNGAN, cGAN with projection, SAGAN, BigGAN."""

from __future__ import annotations

from ganzoo.api import DiscriminatorSpec, GeneratorSpec, hookimpl
from ganzoo_resnet.discriminators import ResnetDiscriminator
from ganzoo_resnet.generators import ResnetGenerator

GANZOO_API = 1


@hookimpl
def ganzoo_generators() -> list[type[GeneratorSpec]]:
    """Supply 'resnet'."""
    return [ResnetGenerator]


@hookimpl
def ganzoo_discriminators() -> list[type[DiscriminatorSpec]]:
    """Supply 'resnet'."""
    return [ResnetDiscriminator]
