"""Built-in networks of the DCGAN family (Radford et al. 2016, arXiv:1511.06434)."""

from __future__ import annotations

from ganzoo.api import DiscriminatorSpec, GeneratorSpec, hookimpl
from ganzoo_dcgan.discriminators import Conv
from ganzoo_dcgan.generators import Transpose, Upsample

GANZOO_API = 1


@hookimpl
def ganzoo_generators() -> list[type[GeneratorSpec]]:
    """Supply 'transpose' and 'upsample'."""
    return [Transpose, Upsample]


@hookimpl
def ganzoo_discriminators() -> list[type[DiscriminatorSpec]]:
    """Supply 'conv'."""
    return [Conv]
