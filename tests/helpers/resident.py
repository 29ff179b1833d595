"""The tensors of a dataset that is all in memory."""

from __future__ import annotations

from torch import Tensor

from ganzoo.api import ImageData


def images_of(data: ImageData) -> Tensor:
    """Return ``[N, C, H, W]``."""
    assert isinstance(data.images, Tensor)
    return data.images


def labels_of(data: ImageData) -> Tensor:
    """Return ``[N]``."""
    assert data.labels is not None
    return data.labels
