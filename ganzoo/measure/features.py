"""A feature network and its name: stored images go in, features and probabilities come out."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganzoo.measure.networks import Points, RandomNetwork, weights_sha256
from ganzoo.plugin.types import ImageShape, Seen

BATCH = 250
"""Images that are looked at together."""


@dataclass
class FeatureNetwork:
    """A network that images are measured by, and what identifies it.

    Attributes:
        name: e.g. 'mnist-classifier'.
        num_classes: 0 where it has no class labels.
        side: (height, width) that images are resized to, or None to take them as they are.
        scaled: whether it wants pixels in [0, 1] rather than as stored.
        resized: how it resizes images by itself, for the record.
        accuracy: share of test images that it classifies rightly, where it does.
    """

    name: str
    module: nn.Module
    num_classes: int = 0
    side: tuple[int, int] | None = None
    scaled: bool = True
    resized: str = ""
    accuracy: float | None = None
    sha256: str = field(default="")

    def __post_init__(self) -> None:
        self.module.eval().requires_grad_(False)
        self.sha256 = self.sha256 or weights_sha256(self.module)

    def to(self, device: torch.device) -> FeatureNetwork:
        """Move the module; return this network."""
        self.module.to(device)
        return self

    def resize(self, image: ImageShape) -> str:
        """Say how images of that shape are resized, for the record."""
        if self.resized:
            return self.resized
        if self.side is None or self.side == (image.height, image.width):
            return "none"
        return f"bilinear antialiased to {self.side[0]}×{self.side[1]}"

    @torch.no_grad()
    def see(self, images: Tensor, labels: Tensor | None = None) -> Seen:
        """Look at a batch of images as stored, ``[N, C, H, W]`` uint8 or float32 points."""
        device = next((item.device for item in self.module.parameters()), images.device)
        # The same bits whatever was switched on for training.
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            given = images.to(device)
            if self.scaled and given.dtype == torch.uint8:
                given = given.float() / 255
            if self.side is not None and self.side != tuple(given.shape[2:]):
                given = functional.interpolate(
                    given, self.side, mode="bilinear", antialias=True, align_corners=False
                )
            features, logits = self.module(given)
        return Seen(
            images.cpu(),
            features.float().cpu(),
            None if logits is None else logits.float().softmax(1).cpu(),
            None if labels is None else labels.cpu(),
        )


def random_network(channels: int) -> FeatureNetwork:
    """Return the fixed random network for images with that many channels."""
    return FeatureNetwork("random-conv", RandomNetwork(channels))


def points() -> FeatureNetwork:
    """Return the network that sees points as they are."""
    return FeatureNetwork("points", Points(), scaled=False)
