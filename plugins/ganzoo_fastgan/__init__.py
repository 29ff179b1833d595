"""Built-in networks and terms of FastGAN (Liu et al. 2021, arXiv:2101.04775): for few pictures."""

from __future__ import annotations

from ganzoo.api import DiscriminatorSpec, GeneratorSpec, LossSpec, RegularizerSpec, hookimpl
from ganzoo_fastgan.loss import PatchHinge
from ganzoo_fastgan.reconstruction import Reconstruction
from ganzoo_fastgan.specs import FastganDiscriminator, FastganGenerator

GANZOO_API = 1


@hookimpl
def ganzoo_generators() -> list[type[GeneratorSpec]]:
    """Supply 'fastgan'."""
    return [FastganGenerator]


@hookimpl
def ganzoo_discriminators() -> list[type[DiscriminatorSpec]]:
    """Supply 'fastgan'."""
    return [FastganDiscriminator]


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply 'patch_hinge'."""
    return [PatchHinge]


@hookimpl
def ganzoo_regularizers() -> list[type[RegularizerSpec]]:
    """Supply 'reconstruction'."""
    return [Reconstruction]
