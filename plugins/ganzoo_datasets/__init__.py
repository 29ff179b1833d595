"""Built-in data sets: real images as ``[N, C, H, W]`` bytes."""

from __future__ import annotations

from ganzoo.api import DatasetSpec, hookimpl
from ganzoo_datasets.digits import Digits
from ganzoo_datasets.mnist import FashionMnist, Mnist


@hookimpl
def ganzoo_datasets() -> list[type[DatasetSpec]]:
    """Supply the data sets of this package."""
    return [Mnist, FashionMnist, Digits]
