"""Every hook a plugin may implement. This file is the reference manual of the plugin system."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pluggy

from ganzoo.plugin.specs import (
    DatasetSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    LossSpec,
    MetricSpec,
    OptimizerSpec,
    RegularizerSpec,
    ViewSpec,
)
from ganzoo.plugin.types import Run

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


@hookspec
def ganzoo_trackers() -> list[str]:  # type: ignore[empty-body]
    """Name what ``--track`` may ask for; a tracker stays silent unless ``run.trackers`` has it."""


@hookspec
def ganzoo_run_started(run: Run) -> None:
    """Follow a run: its first step, or its first one after a pause, is about to be made."""


@hookspec
def ganzoo_logged(run: Run, step: int, values: Mapping[str, float]) -> None:
    """Follow a run: a line with these values was added to its log after ``step`` steps."""


@hookspec
def ganzoo_sampled(run: Run, step: int, path: Path) -> None:
    """Follow a run: a sheet of samples was written to the PNG file ``path``."""


@hookspec
def ganzoo_checkpointed(run: Run, step: int, path: Path) -> None:
    """Follow a run: a checkpoint was written to ``path``; older ones may have been removed."""


@hookspec
def ganzoo_run_finished(run: Run, step: int, status: str, result: Mapping[str, Any]) -> None:
    """Follow a run: it is 'done', 'interrupted' or 'failed' (``result`` is empty then)."""


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
