"""The modules whose features images are compared in: a small classifier, and fixed random weights.

Both need no download. The classifier is trained once for a dataset (``prepare``); the random
network serves data without labels, and its weights come from a hash, so they are the same for ever.
"""

from __future__ import annotations

import hashlib
import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 16
FEATURES = 64
SMALLEST = 8
"""Side of an image that is halved three times."""
RANDOM_WIDTHS = (16, 32, 32)


class Classifier(nn.Module):
    """Three convolutions with batch norm and max pooling, 64 features, then the classes."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        widths = (channels, WIDTH, 2 * WIDTH, 4 * WIDTH)
        self.layers = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(before, after, 3, padding=1, bias=False),
                    nn.BatchNorm2d(after),
                    nn.ReLU(),
                    nn.MaxPool2d(2),
                )
                for before, after in itertools.pairwise(widths)
            ),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
            nn.Linear(9 * widths[-1], FEATURES, bias=False),
            nn.BatchNorm1d(FEATURES),
            nn.ReLU(),
        )
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(FEATURES, num_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Turn ``[N, C, H, W]`` in [0, 1] into features ``[N, 64]`` and logits ``[N, K]``."""
        features: Tensor = self.layers(images)
        logits: Tensor = self.head(self.dropout(features))
        return features, logits


class RandomNetwork(nn.Module):
    """Three convolutions with fixed random weights; features are their maps' means.

    He-scaled uniform weights. The last map is averaged in its four quarters, so that features know
    roughly where things are: 16 + 32 + 4 · 32 = 176 features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (channels, *RANDOM_WIDTHS)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1, bias=False, device="meta")
            for before, after in itertools.pairwise(widths)
        )
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, nn.Conv2d)
            shape = layer.weight.shape
            bound = math.sqrt(6 / (shape[1] * 9))
            drawn = hashed_uniform(f"ganzoo random network, layer {number}", shape.numel())
            layer.weight = nn.Parameter(drawn.view(shape) * bound)
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        """Turn ``[N, C, H, W]`` in [0, 1] into features ``[N, 176]``; there are no classes."""
        maps = 2 * images - 1
        found = []
        for number, layer in enumerate(self.layers):
            if number:
                maps = functional.avg_pool2d(maps, 2, ceil_mode=True)
            maps = functional.leaky_relu(layer(maps), 0.2)  # [N, width, H / 2^number, W / 2^number]
            side = 2 if number == len(self.layers) - 1 else 1
            found.append(functional.adaptive_avg_pool2d(maps, side).flatten(1))
        return torch.cat(found, 1), None


class Stacked(nn.Module):
    """A classifier of one channel, applied to each channel of stacked images.

    Features are concatenated; a class is the tuple of the channels' classes, the first channel's
    counting most, and its probability the product of theirs.
    """

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Turn ``[N, C, H, W]`` in [0, 1] into ``[N, C · D]`` and log-probabilities ``[N, Kᶜ]``."""
        count, channels = images.shape[:2]
        features, logits = self.classifier(images.flatten(0, 1).unsqueeze(1))
        single = logits.log_softmax(1).view(count, channels, -1)  # [N, C, K]
        joint = single[:, 0]
        for channel in range(1, channels):
            joint = (joint.unsqueeze(2) + single[:, channel].unsqueeze(1)).flatten(1)
        return features.view(count, -1), joint


class Points(nn.Module):
    """The numbers themselves, for data that are points and not images."""

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        """Turn ``[N, C, 1, 1]`` into ``[N, C]``."""
        return images.flatten(1), None


def hashed_uniform(key: str, count: int) -> Tensor:
    """Return ``[count]`` numbers in [-1, 1) that come from a hash and never change."""
    stream = hashlib.shake_256(key.encode()).digest(2 * count)
    integers = torch.frombuffer(bytearray(stream), dtype=torch.int16)
    return integers.float() / 2**15


def weights_sha256(module: nn.Module) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of a module's whole state."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        tensor = value.detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}:".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
