"""Built-in networks of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958) and StyleGAN2-ADA."""

from __future__ import annotations

from ganzoo.api import DiscriminatorSpec, GeneratorSpec, hookimpl
from ganzoo_stylegan2.specs import Stylegan2Discriminator, Stylegan2Generator

GANZOO_API = 1


@hookimpl
def ganzoo_generators() -> list[type[GeneratorSpec]]:
    """Supply 'stylegan2'."""
    return [Stylegan2Generator]


@hookimpl
def ganzoo_discriminators() -> list[type[DiscriminatorSpec]]:
    """Supply 'stylegan2'."""
    return [Stylegan2Discriminator]
