"""The whole public contract for plugins. Import from here and from nowhere else in ganzoo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganzoo.common.data_root import CACHE_FOLDER, DataRoot, Progress, cache_root
from ganzoo.common.errors import DataError, GanzooError, printable
from ganzoo.common.fetch import FetchError, fetch, fingerprint
from ganzoo.common.files import publish
from ganzoo.common.kept_pixels import Kept, keep
from ganzoo.plugin.hooks import API_VERSION, hookimpl, on_demand
from ganzoo.plugin.models import TrainedModel
from ganzoo.plugin.ramps import (
    Moving,
    MovingNonNegative,
    MovingPositive,
    MovingShare,
    OrRamp,
    Ramp,
)
from ganzoo.plugin.specs import (
    AdversarialSpec,
    DatasetSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    LossSpec,
    MetricSpec,
    OptimizerSpec,
    Pair,
    RegularizerSpec,
    StepSpec,
    ViewSpec,
)
from ganzoo.plugin.table import Table
from ganzoo.plugin.types import (
    Context,
    Facts,
    Halves,
    ImageData,
    ImageShape,
    ImageSource,
    Look,
    Meter,
    Part,
    Play,
    Reference,
    Role,
    RunInfo,
    Scale,
    Seen,
    Setting,
    Split,
    Terms,
    Varied,
)
from ganzoo.recipe.component import ByUse
from ganzoo.runs.log import curve_name

if TYPE_CHECKING:
    from ganzoo.report.overview import Overview
    from ganzoo.report.page import own_page, page_policy
    from ganzoo.report.serving import Asked, PageServer, Reply, Route

_ON_DEMAND = {
    **dict.fromkeys(("Asked", "PageServer", "Reply", "Route"), "report.serving"),
    **dict.fromkeys(("own_page", "page_policy"), "report.page"),
    "Overview": "report.overview",
}
"""What a verb that serves a page imports, and nobody else waits for."""


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"ganzoo.{_ON_DEMAND[name]}"), name)


Run = RunInfo
"""The name of ``RunInfo`` in plugins of before."""

__all__ = [
    "API_VERSION",
    "CACHE_FOLDER",
    "AdversarialSpec",
    "Asked",
    "ByUse",
    "Context",
    "DataError",
    "DataRoot",
    "DatasetSpec",
    "DiscriminatorSpec",
    "Facts",
    "FetchError",
    "GanzooError",
    "GeneratorSpec",
    "Halves",
    "ImageData",
    "ImageShape",
    "ImageSource",
    "Kept",
    "Look",
    "LossSpec",
    "Meter",
    "MetricSpec",
    "Moving",
    "MovingNonNegative",
    "MovingPositive",
    "MovingShare",
    "OptimizerSpec",
    "OrRamp",
    "Overview",
    "PageServer",
    "Pair",
    "Part",
    "Play",
    "Progress",
    "Ramp",
    "Reference",
    "RegularizerSpec",
    "Reply",
    "Role",
    "Route",
    "Run",
    "RunInfo",
    "Scale",
    "Seen",
    "Setting",
    "Split",
    "StepSpec",
    "Table",
    "Terms",
    "TrainedModel",
    "Varied",
    "ViewSpec",
    "cache_root",
    "curve_name",
    "fetch",
    "fingerprint",
    "hookimpl",
    "keep",
    "on_demand",
    "own_page",
    "page_policy",
    "printable",
    "publish",
]
