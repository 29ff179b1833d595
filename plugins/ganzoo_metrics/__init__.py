"""Built-in metrics: how good fakes are, in the features of a named network."""

from __future__ import annotations

from ganzoo.api import MetricSpec, hookimpl, on_demand

GANZOO_API = 1


@hookimpl
def ganzoo_metrics() -> list[type[MetricSpec]]:
    """Supply the metrics of this package."""
    from ganzoo_metrics.classes import ClassHistogram
    from ganzoo_metrics.conditional import ClassAccuracy, IntraFrechet
    from ganzoo_metrics.diversity import Diversity
    from ganzoo_metrics.frechet import Frechet
    from ganzoo_metrics.gap import DiscriminatorGap
    from ganzoo_metrics.inception import InceptionScore
    from ganzoo_metrics.kernel import Kernel
    from ganzoo_metrics.memorisation import Memorisation
    from ganzoo_metrics.neighbourhoods import Neighbourhoods
    from ganzoo_metrics.pairs import Pairs
    from ganzoo_metrics.sliced import Sliced
    from ganzoo_metrics.transfer import GanTrainTest

    return [
        Frechet,
        Kernel,
        Sliced,
        Neighbourhoods,
        ClassHistogram,
        InceptionScore,
        Diversity,
        Memorisation,
        DiscriminatorGap,
        ClassAccuracy,
        IntraFrechet,
        GanTrainTest,
        Pairs,
    ]


__getattr__ = on_demand(__name__, ganzoo_metrics)
