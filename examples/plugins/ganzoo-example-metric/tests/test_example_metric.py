"""The metric has its formula's values, and keeps all that ganzoo asks of a metric."""

import pytest
import torch
from ganzoo_example_metric.metric import EdgeGap, edges

from ganzoo import testing

test_the_metric_keeps_its_promises = testing.suite(EdgeGap)


def test_the_edge_strength_of_stripes_is_half_their_contrast() -> None:
    stripes = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    stripes[..., ::2] = 100

    assert float(edges(stripes)) == pytest.approx((100 + 0) / 2)
