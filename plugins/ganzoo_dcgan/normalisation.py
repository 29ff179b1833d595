"""Normalisation layers by the name a recipe gives them."""

from __future__ import annotations

from typing import Literal

from torch import nn

from ganzoo_dcgan.labels import ConditionalNorm


def normalisation(
    name: Literal["none", "batch", "instance", "layer", "spectral"],
    channels: int,
    *,
    eps: float,
    momentum: float,
    affine: bool,
    is_flat: bool = False,
    classes: int = 0,
) -> dict[str, nn.Module]:
    """Return ``{"norm": layer}``, or nothing for 'none' and for 'spectral', which norms weights.

    Args:
        eps: added to the variance.
        momentum: share of the newest batch in batch norm's running statistics.
        affine: whether a scale and a shift are learned.
        is_flat: whether it reads numbers ``[N, C]`` rather than maps ``[N, C, H, W]``.
        classes: how many have a scale and a shift of their own in batch norm; 0 is one for all.
    """
    if name == "batch":
        # By keyword: handing a Keras momentum to the second position would set eps instead.
        kind = nn.BatchNorm1d if is_flat else nn.BatchNorm2d
        if classes:
            plain = kind(channels, eps=eps, momentum=momentum, affine=False)
            return {"norm": ConditionalNorm(plain, classes)}
        return {"norm": kind(channels, eps=eps, momentum=momentum, affine=affine)}
    if name == "instance":
        return {"norm": nn.InstanceNorm2d(channels, eps=eps, affine=affine)}
    if name == "layer":  # one group: layer norm over [C, H, W] with a scale per channel
        return {"norm": nn.GroupNorm(1, channels, eps=eps, affine=affine)}
    return {}
