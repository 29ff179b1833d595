"""How far two images are apart in the maps of a fixed network."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.api import GanzooError

WIDTHS = (32, 64, 128, 256)
"""Channels of the random network's maps, each half as large as the one before."""
VGG = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of VGG-16's convolutions, by stage (Simonyan & Zisserman 2015, table 1, D)."""


class Distance(nn.Module):
    """Compares images ``[N, C, P, P]`` in [-1, 1] by a scalar."""

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return the maps in which images are compared."""
        raise NotImplementedError

    def factors(self) -> list[Tensor | None]:
        """Return the factor of each channel, ``[K]``, for each map; None is 1."""
        raise NotImplementedError

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the distance (Zhang et al. 2018, arXiv:1801.03924, equation 1), a mean over N."""
        both = self.maps(torch.cat([first, second]))
        apart = first.new_zeros(())
        for maps, factors in zip(both, self.factors(), strict=True):
            one, other = lengths_of_one(maps).chunk(2)
            squares = (one - other).square()
            if factors is not None:
                squares = squares * factors[:, None, None]
            apart = apart + squares.sum(1).mean()
        return apart


def lengths_of_one(maps: Tensor) -> Tensor:
    """Return the maps with every place's channels as a vector of length 1."""
    return maps / (maps.square().sum(1, keepdim=True) + 1e-10).sqrt()


class RandomFeatures(Distance):
    """Four 3×3 convolutions with ReLU and random weights, the same in every run.

    He et al. 2015, arXiv:1502.01852, equation 10: N(0, 2 / fan in), seeded by 0.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        for number, width in enumerate(WIDTHS):
            # Drawn on the CPU whatever torch.device is in force: the same on all of them.
            weight = torch.randn(width, channels, 3, 3, generator=random, device="cpu")
            scale = math.sqrt(2 / (9 * channels))
            self.register_buffer(f"weight{number}", scale * weight)
            channels = width

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return a map for each convolution."""
        found = []
        for number in range(len(WIDTHS)):
            if number:
                images = F.avg_pool2d(images, 2)
            images = F.relu(F.conv2d(images, self.get_buffer(f"weight{number}"), padding=1))
            found.append(images)
        return found

    def factors(self) -> list[Tensor | None]:
        """Return none."""
        return [None] * len(WIDTHS)


class Lpips(Distance):
    """VGG-16 and the factors that LPIPS learned; all of it out of a file."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        for name, value in weights.items():
            # Not in checkpoints: the file is read again.
            self.register_buffer(name.replace(".", "_"), value.float(), persistent=False)
        shift, scale = [-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]
        self.register_buffer("shift", torch.tensor(shift)[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(scale)[:, None, None], persistent=False)

    @classmethod
    def read(cls, written: str, sha256: str | None) -> Self:
        """Return the network whose weights are in a safetensors file.

        Raises:
            GanzooError: if the file is missing, another one, or lacks a tensor.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        path = Path(written).expanduser()
        try:
            content = path.read_bytes()
        except OSError as error:
            raise GanzooError(
                f"reconstruction.path: '{path}' cannot be read ({error.strerror}); name the "
                "file with VGG-16's weights, or use distance = 'random'"
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if sha256 not in {None, found}:
            raise GanzooError(
                f"reconstruction.sha256: '{path}' is another file: its SHA-256 is {found}, "
                f"but {sha256} is required"
            )
        try:
            tensors = load(content)
        except SafetensorError as error:
            raise GanzooError(
                f"reconstruction.path: '{path}' is not a safetensors file ({error}); write "
                "VGG-16's weights with safetensors.torch.save_file"
            ) from error
        shapes = _shapes()
        wrong = [
            name
            for name, shape in shapes.items()
            if name not in tensors or tensors[name].numel() != math.prod(shape)
        ]
        if wrong:
            raise GanzooError(
                f"reconstruction.path: '{path}' lacks {', '.join(wrong[:3])} of {len(wrong)} "
                "tensors, or has them in another shape; it takes torchvision's vgg16 and LPIPS's "
                "factors"
            )
        return cls({name: tensors[name].reshape(shape) for name, shape in shapes.items()})

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return the last map of each stage."""
        if images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        images = (images - self.get_buffer("shift")) / self.get_buffer("scale")
        found, number = [], 0
        for stage, widths in enumerate(VGG):
            if stage:
                images = F.max_pool2d(images, 2)
                number += 1
            for _ in widths:
                weight = self.get_buffer(f"features_{number}_weight")
                bias = self.get_buffer(f"features_{number}_bias")
                images = F.relu(F.conv2d(images, weight, bias, padding=1))
                number += 2
            found.append(images)
        return found

    def factors(self) -> list[Tensor | None]:
        """Return LPIPS's."""
        return [self.get_buffer(f"lin{stage}_model_1_weight") for stage in range(len(VGG))]


def _shapes() -> dict[str, tuple[int, ...]]:
    """Return what the file must hold: names as torchvision and LPIPS have them."""
    shapes: dict[str, tuple[int, ...]] = {}
    number, before = 0, 3
    for stage, widths in enumerate(VGG):
        number += 1 if stage else 0
        for width in widths:
            shapes[f"features.{number}.weight"] = (width, before, 3, 3)
            shapes[f"features.{number}.bias"] = (width,)
            before, number = width, number + 2
        shapes[f"lin{stage}.model.1.weight"] = (widths[-1],)
    return shapes
