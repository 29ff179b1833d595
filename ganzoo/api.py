"""The whole public contract for plugins. Import from here and from nowhere else in ganzoo."""

from ganzoo.errors import DataError, GanzooError, printable
from ganzoo.fetch import FetchError, fetch, fingerprint
from ganzoo.hookspecs import API_VERSION, hookimpl
from ganzoo.specs import (
    Context,
    DataRoot,
    DatasetSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    ImageData,
    ImageShape,
    ImageSource,
    LossSpec,
    OptimizerSpec,
    Pair,
    Progress,
    RegularizerSpec,
    Split,
    Terms,
)

__all__ = [
    "API_VERSION",
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
    "LossSpec",
    "OptimizerSpec",
    "Pair",
    "Progress",
    "RegularizerSpec",
    "Split",
    "Terms",
    "fetch",
    "fingerprint",
    "hookimpl",
    "printable",
]
