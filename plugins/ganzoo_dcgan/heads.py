"""What is said of the last map beside the logits, and what the head sees of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ganzoo_dcgan.discriminator_fields import DcganDiscriminator


class Beside(nn.Module):
    """The last map as 'features', and what heads of their own make of it, by name."""

    def __init__(self, heads: dict[str, nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(heads)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Return ``[N, F]`` and each head's ``[N, K]`` of ``[N, C, H, W]``."""
        flat = features.flatten(1)
        return {"features": flat, **{name: head(flat) for name, head in self.heads.items()}}


def beside_logits(spec: DcganDiscriminator, flat: int, classes: int) -> Beside | None:
    """Return the heads that a spec asks for beside the logits; None where it asks for nothing.

    Args:
        flat: numbers in the last map.
        classes: classes of the data.
    """
    heads: dict[str, nn.Module] = {}
    if spec.labels == "classes":
        heads["classes"] = nn.Linear(flat, classes)
    elif spec.labels == "real_fake_classes":
        heads["real_fake_classes"] = nn.Linear(flat, 2 * classes)
    if hidden := spec.embedding_hidden:
        layers = [nn.Linear(flat, hidden), nn.LeakyReLU(spec.slope)]
        heads["embedding"] = nn.Sequential(*layers, nn.Linear(hidden, spec.embedding_size))
    elif spec.embedding_size:
        heads["embedding"] = nn.Linear(flat, spec.embedding_size)
    return Beside(heads) if heads or spec.shows_features else None


class MinibatchStddev(nn.Module):
    """Put the spread within a group of images beside each of them (Karras et al. 2018).

    arXiv:1710.10196, section 3: the standard deviation over a group, of each number of the map, and
    the mean of these as one more map. Groups are neighbours in the batch, as large as asked for or
    the largest divisor of the batch below, so that no group mixes two halves of a joint batch whose
    halves they divide. A variance of 0 has the gradient 0.
    """

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = group

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``[N, C + 1, H, W]`` of ``[N, C, H, W]``."""
        count, channels, height, width = maps.shape
        group = next(size for size in range(min(self.group, count), 0, -1) if count % size == 0)
        apart = maps.view(count // group, group, channels, height, width)
        variance = apart.var(1, correction=0)  # [N / G, C, H, W]
        spread = (variance + 1e-8).sqrt().mean((1, 2, 3))  # [N / G]
        beside = spread.repeat_interleave(group).view(-1, 1, 1, 1)  # [N, 1, 1, 1]
        return torch.cat([maps, beside.expand(-1, 1, height, width)], 1)
