"""How many unseen images the border of what counts as a copy is taken from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from ganzoo_metrics.memorisation import Memorisation


class Unseen:
    """Hands out 16 unseen images; the nearest distance of each is its number."""

    def __init__(self) -> None:
        self.asked: list[list[float]] = []

    def unseen(self) -> Any:
        for start, stop in ((0.0, 4.0), (4.0, 10.0), (10.0, 12.0), (12.0, 16.0)):
            yield SimpleNamespace(images=torch.arange(start, stop))

    def nearest(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.asked.append(images.tolist())
        return images, images


@pytest.mark.parametrize(
    ("count", "sizes"), [(12, [4, 6, 2]), (13, [4, 6, 2, 1]), (11, [4, 6, 1]), (400, [4, 6, 2, 4])]
)
def test_the_border_is_the_quantile_of_as_many_unseen_images_as_are_asked_for(
    count: int, sizes: list[int]
) -> None:
    reference: Any = Unseen()
    seen = float(min(count, 16))

    meter: Any = Memorisation(count=count, quantile=0.5).meter(reference)

    assert [len(each) for each in reference.asked] == sizes
    assert meter.border == pytest.approx((seen - 1) / 2)
