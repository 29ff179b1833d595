"""The discriminator as a network: the module and how it is put together from a spec."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.api import ImageShape
from ganzoo_resnet.blocks import (
    Attention,
    DownBlock,
    FirstDownBlock,
    NoNorm,
    PlainNorm,
    Projection,
    divide_by_norms,
    initialise,
)
from ganzoo_resnet.convolutions import plain
from ganzoo_resnet.deep_blocks import down_stage

if TYPE_CHECKING:
    from ganzoo_resnet.discriminator_fields import DiscriminatorFields


class ResidualDiscriminator(nn.Module):
    """Blocks, of which the first ones halve the map; ReLU, the sum over all places, one number."""

    def __init__(self, spec: DiscriminatorFields, image: ImageShape, heights: list[int]) -> None:
        super().__init__()

        def norm(channels: int) -> nn.Module:
            return PlainNorm(channels, eps=spec.norm_eps) if spec.norm == "batch" else NoNorm()

        first = spec.channels[0]
        blocks: list[nn.Module]
        if spec.block == "deep":
            blocks = [plain(image.channels, first)]
            for number, (inputs, outputs) in enumerate(pairwise(spec.channels)):
                learned = spec.shortcut == "convolution"
                halves = number < spec.halvings
                blocks.append(
                    down_stage(inputs, outputs, depth=spec.depth, halves=halves, learned=learned)
                )
            heights = [0, *heights]  # the first convolution is followed by no attention
        else:
            blocks = [FirstDownBlock(image.channels, first, norm, halves=spec.halvings > 0)]
            for number, (before, width) in enumerate(pairwise(spec.channels), start=1):
                hidden = before if spec.hidden == "input" else width
                halves = number < spec.halvings
                blocks.append(DownBlock(before, hidden, width, norm, halves=halves))
        places = [
            number
            for number, height in enumerate(heights)
            if height in spec.attention and height not in heights[number + 1 :]
        ]
        for number in reversed(places):  # after the last block that makes a map of that height
            blocks.insert(number + 1, Attention(spec.channels[number]))
        self.layers = nn.Sequential(*blocks)
        self.linear = nn.Linear(spec.channels[-1], 1)
        size = spec.embedding_size
        self.embedding = nn.Linear(spec.channels[-1], size) if size else None

    def features(self, images: Tensor) -> Tensor:
        """Return the last map ``[N, last width, H / 2^halvings, W / 2^halvings]``, not negative."""
        maps: Tensor = F.relu(self.layers(images))
        return maps

    def forward(self, images: Tensor) -> Tensor | dict[str, Tensor]:
        """Score images ``[N, C, H, W]`` by logits ``[N]``; an embedding may stand beside them."""
        sums = self.features(images).sum((2, 3))
        return self._shown(self.linear(sums).flatten(), sums)

    def _shown(self, logits: Tensor, sums: Tensor) -> Tensor | dict[str, Tensor]:
        if self.embedding is None:
            return logits
        return {"logits": logits, "embedding": self.embedding(sums)}


class ProjectionDiscriminator(ResidualDiscriminator):
    """One whose logit has a second part, which the class decides."""

    def __init__(self, spec: DiscriminatorFields, image: ImageShape, heights: list[int]) -> None:
        super().__init__(spec, image, heights)
        self.projection = Projection(spec.channels[-1], image.num_classes)

    def forward(  # type: ignore[override]
        self, images: Tensor, labels: Tensor
    ) -> Tensor | dict[str, Tensor]:
        """Score images ``[N, C, H, W]`` of classes ``[N]`` by logits ``[N]``."""
        features = self.features(images)
        sums = features.sum((2, 3))
        of_class: Tensor = self.projection(features, labels)
        return self._shown(self.linear(sums).flatten() + of_class, sums)


def build_discriminator(
    spec: DiscriminatorFields, image: ImageShape, heights: list[int]
) -> ResidualDiscriminator:
    """Put a discriminator together whose maps have ``heights``, and draw its initial weights."""
    kind = ResidualDiscriminator if spec.labels == "none" else ProjectionDiscriminator
    network = kind(spec, image, heights)
    initialise(network, spec.init, spec.init_std)
    if spec.norm == "spectral":
        divide_by_norms(network)
    return network
