"""Edge strength as a metric, as a package of its own."""

from ganzoo.api import MetricSpec, hookimpl
from ganzoo_example_metric.metric import EdgeGap

GANZOO_API = 1


@hookimpl
def ganzoo_metrics() -> list[type[MetricSpec]]:
    """Supply the metric of this package."""
    return [EdgeGap]
