"""What the discriminator sees of a batch: the recipe's views, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ganzoo.specs import ImageShape, ViewSpec

if TYPE_CHECKING:
    from torch import Tensor


def viewed(views: Sequence[ViewSpec], images: Tensor, which: Literal["real", "fake"]) -> Tensor:
    """Return what is seen of ``images``; without views, the images themselves."""
    for view in views:
        images = view.apply(images, which)
    return images


def viewed_labels(views: Sequence[ViewSpec], labels: Tensor | None) -> Tensor | None:
    """Return the labels of what is seen: none where images no longer have one each."""
    return labels if all(view.keeps_labels for view in views) else None


def seen_shape(views: Sequence[ViewSpec], image: ImageShape) -> ImageShape:
    """Return the shape and range of what the discriminator sees.

    Raises:
        GanzooError: if a view cannot be applied to such images.
    """
    for view in views:
        image = view.shape(image)
    return image
