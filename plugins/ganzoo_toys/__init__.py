"""Toy worlds for the theory: points instead of images, small networks, and scores that are exact.

A point is an 'image' of one pixel, ``[N, 2, 1, 1]`` float32, whose channels are its coordinates.
"""

from __future__ import annotations

from ganzoo.api import (
    DatasetSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    MetricSpec,
    hookimpl,
    on_demand,
)

GANZOO_API = 1


@hookimpl
def ganzoo_datasets() -> list[type[DatasetSpec]]:
    """Supply the datasets of points."""
    from ganzoo_toys.worlds import Dirac, Grid, Ring

    return [Ring, Grid, Dirac]


@hookimpl
def ganzoo_generators() -> list[type[GeneratorSpec]]:
    """Supply the generators of points."""
    from ganzoo_toys.networks import Mlp, Offset

    return [Mlp, Offset]


@hookimpl
def ganzoo_discriminators() -> list[type[DiscriminatorSpec]]:
    """Supply the discriminators of points."""
    from ganzoo_toys.networks import Linear, MlpDiscriminator

    return [MlpDiscriminator, Linear]


@hookimpl
def ganzoo_metrics() -> list[type[MetricSpec]]:
    """Supply the scores of points."""
    from ganzoo_toys.mixture import Mixture

    return [Mixture]


__getattr__ = on_demand(
    __name__,
    ganzoo_datasets,
    ganzoo_generators,
    ganzoo_discriminators,
    ganzoo_metrics,
)
