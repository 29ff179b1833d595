"""The whole public contract for plugins. Import from here and from nowhere else in ganzoo."""

from ganzoo.common.data_root import DataRoot, Progress
from ganzoo.common.errors import DataError, GanzooError, printable
from ganzoo.common.fetch import FetchError, fetch, fingerprint
from ganzoo.common.kept_pixels import Kept, keep
from ganzoo.plugin.hooks import API_VERSION, hookimpl
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
    DatasetSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    LossSpec,
    MetricSpec,
    OptimizerSpec,
    Pair,
    RegularizerSpec,
    ViewSpec,
)
from ganzoo.plugin.table import Table
from ganzoo.plugin.types import (
    Context,
    ImageData,
    ImageShape,
    ImageSource,
    Look,
    Meter,
    Reference,
    Role,
    RunInfo,
    Scale,
    Seen,
    Split,
    Terms,
)
from ganzoo.recipe.component import ByUse
from ganzoo.runs.log import curve_name

Run = RunInfo
"""The name of ``RunInfo`` in plugins of before."""

__all__ = [
    "API_VERSION",
    "ByUse",
    "Context",
    "DataError",
    "DataRoot",
    "DatasetSpec",
    "DiscriminatorSpec",
    "FetchError",
    "GanzooError",
    "GeneratorSpec",
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
    "Pair",
    "Progress",
    "Ramp",
    "Reference",
    "RegularizerSpec",
    "Role",
    "Run",
    "RunInfo",
    "Scale",
    "Seen",
    "Split",
    "Table",
    "Terms",
    "TrainedModel",
    "ViewSpec",
    "curve_name",
    "fetch",
    "fingerprint",
    "hookimpl",
    "keep",
    "printable",
]
