"""Built-in networks of R3GAN (Huang et al. 2024, arXiv:2501.05441)."""

from __future__ import annotations

from ganzoo.api import DiscriminatorSpec, GeneratorSpec, hookimpl
from ganzoo_r3gan.specs import R3ganDiscriminator, R3ganGenerator

GANZOO_API = 1


@hookimpl
def ganzoo_generators() -> list[type[GeneratorSpec]]:
    """Supply 'r3gan'."""
    return [R3ganGenerator]


@hookimpl
def ganzoo_discriminators() -> list[type[DiscriminatorSpec]]:
    """Supply 'r3gan'."""
    return [R3ganDiscriminator]
