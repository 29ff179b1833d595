"""Supplies a metric without what makes it one."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import MetricSpec, hookimpl


class HalfMetric(MetricSpec):
    """A metric of nothing."""

    use: ClassVar[str] = "half_metric"


@hookimpl
def ganzoo_metrics() -> list[type[MetricSpec]]:
    """Supply it."""
    return [HalfMetric]
