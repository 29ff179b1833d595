"""Every hook a plugin may implement. This file is the reference manual of the plugin system."""

from __future__ import annotations

import pluggy

from ganzoo.specs import (
    DatasetSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    LossSpec,
    MetricSpec,
    OptimizerSpec,
    RegularizerSpec,
    ViewSpec,
)

API_VERSION = 1
"""Version of the plugin contract. A plugin module may say ``GANZOO_API = 1``."""

hookspec = pluggy.HookspecMarker("ganzoo")
hookimpl = pluggy.HookimplMarker("ganzoo")


@hookspec
def ganzoo_generators() -> list[type[GeneratorSpec]]:  # type: ignore[empty-body]
    """Supply generators."""


@hookspec
def ganzoo_discriminators() -> list[type[DiscriminatorSpec]]:  # type: ignore[empty-body]
    """Supply discriminators."""


@hookspec
def ganzoo_losses() -> list[type[LossSpec]]:  # type: ignore[empty-body]
    """Supply losses."""


@hookspec
def ganzoo_regularizers() -> list[type[RegularizerSpec]]:  # type: ignore[empty-body]
    """Supply regularizers: penalties and weight constraints."""


@hookspec
def ganzoo_datasets() -> list[type[DatasetSpec]]:  # type: ignore[empty-body]
    """Supply data sets."""


@hookspec
def ganzoo_optimizers() -> list[type[OptimizerSpec]]:  # type: ignore[empty-body]
    """Supply optimizers."""


@hookspec
def ganzoo_metrics() -> list[type[MetricSpec]]:  # type: ignore[empty-body]
    """Supply metrics."""


@hookspec
def ganzoo_views() -> list[type[ViewSpec]]:  # type: ignore[empty-body]
    """Supply views: what is done to real images and fakes before the discriminator sees them."""


HOOK_OF_KIND = {
    "generator": "ganzoo_generators",
    "discriminator": "ganzoo_discriminators",
    "loss": "ganzoo_losses",
    "regularizer": "ganzoo_regularizers",
    "dataset": "ganzoo_datasets",
    "optimizer": "ganzoo_optimizers",
    "metric": "ganzoo_metrics",
    "view": "ganzoo_views",
}
"""The hook that supplies the specs of each kind."""
