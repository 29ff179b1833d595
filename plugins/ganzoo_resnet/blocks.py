"""What residual networks are made of: blocks, norms told of a class, attention, initial weights."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo_resnet.convolutions import enlarge, enlarged, enlarging, halving, plain
from ganzoo_resnet.fields import Initialiser

Norm = Callable[[int], nn.Module]
"""Makes the norm of maps with so many channels; it is called with maps and a condition."""


class PlainNorm(nn.BatchNorm2d):
    """Batch norm that is told a condition and does not ask for it."""

    def forward(self, input: Tensor, condition: Tensor | None = None) -> Tensor:  # noqa: A002, ARG002
        """Normalise ``[N, C, H, W]``."""
        return super().forward(input)


class NoNorm(nn.Module):
    """The maps as they are."""

    def forward(self, maps: Tensor, condition: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return ``[N, C, H, W]``."""
        return maps


class OneHot(nn.Module):
    """Classes ``[N]`` as ``[N, K]``: 1 at the class, 0 elsewhere."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, labels: Tensor) -> Tensor:
        """Return float32."""
        every = torch.arange(self.classes, device=labels.device)
        return (labels[:, None] == every).float()


class Projection(nn.Module):
    """⟨e(y), Σ φ⟩: the class's vector times the map summed over its places (Miyato & Koyama 2018).

    arXiv:1802.05637, figure 1 (d).
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.one_hot = OneHot(classes)
        self.linear = nn.Linear(channels, classes, bias=False)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return ``[N]`` from ``[N, C, H, W]`` and classes ``[N]``."""
        every: Tensor = self.linear(features.sum((2, 3)))  # [N, K]
        scores: Tensor = (every * self.one_hot(labels).to(every.dtype)).sum(1)
        return scores


class EmbeddedNorm(nn.Module):
    """Batch norm with a scale and a shift for each class, 1 and 0 at first.

    de Vries et al. 2017, arXiv:1707.00683; in generators Miyato & Koyama 2018, arXiv:1802.05637.
    """

    def __init__(self, channels: int, classes: int, eps: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=eps, affine=False)
        self.scale = nn.Embedding(classes, channels)
        self.shift = nn.Embedding(classes, channels)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        """Normalise ``[N, C, H, W]`` of classes ``[N]``."""
        scale, shift = self.scale(labels)[..., None, None], self.shift(labels)[..., None, None]
        normed: Tensor = self.norm(maps)
        return torch.addcmul(shift, scale, normed)


class LinearNorm(nn.Module):
    """Batch norm whose scale, around 1, and shift are linear in a code (Brock et al. 2019).

    arXiv:1809.11096, appendix B.
    """

    def __init__(self, channels: int, code: int, eps: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=eps, affine=False)
        self.scale = nn.Linear(code, channels, bias=False)
        self.shift = nn.Linear(code, channels, bias=False)

    def forward(self, maps: Tensor, code: Tensor) -> Tensor:
        """Normalise ``[N, C, H, W]`` of codes ``[N, K]``."""
        scale = 1 + self.scale(code)[..., None, None]
        normed: Tensor = self.norm(maps)
        return torch.addcmul(self.shift(code)[..., None, None], scale, normed)


class UpBlock(nn.Module):
    """Norm, ReLU, twice as large, 3×3, norm, ReLU, 3×3; beside it, twice as large and 1×1.

    The 1×1 convolution comes before the enlarging: both are linear and act on different axes, so
    that the order makes no difference but to the work, which is a quarter.
    """

    def __init__(self, inputs: int, outputs: int, norm: Norm, mode: str) -> None:
        super().__init__()
        self.mode = mode
        self.norm1, self.norm2 = norm(inputs), norm(outputs)
        self.conv1 = enlarging(inputs, outputs, mode)
        self.conv2 = plain(outputs, outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, maps: Tensor, condition: Tensor | None) -> Tensor:
        """Return ``[N, O, 2·H, 2·W]`` of ``[N, I, H, W]``."""
        inner = enlarged(F.relu(self.norm1(maps, condition)), self.conv1, self.mode)
        inner = self.conv2(F.relu(self.norm2(inner, condition)))
        out: Tensor = inner + enlarge(self.shortcut(maps), self.mode)
        return out


class FirstDownBlock(nn.Module):
    """3×3, ReLU, 3×3, halved; beside it, halved and 1×1: no ReLU before the image is read."""

    def __init__(self, inputs: int, outputs: int, norm: Norm, *, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.norm0, self.norm1 = norm(inputs), norm(outputs)
        self.conv1 = plain(inputs, outputs)
        self.conv2 = halving(outputs, outputs, halves=halves)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return ``[N, O, H / 2, W / 2]``, or as large as they are, of ``[N, C, H, W]``."""
        inner = self.conv2(F.relu(self.norm1(self.conv1(images))))
        out: Tensor = inner + self.shortcut(self.norm0(_halved(images, self.halves)))
        return out


class DownBlock(nn.Module):
    """Norm, ReLU, 3×3, norm, ReLU, 3×3, halved; beside it the same maps, or 1×1 and halved."""

    def __init__(self, inputs: int, hidden: int, outputs: int, norm: Norm, *, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.norm1, self.norm2 = norm(inputs), norm(hidden)
        self.conv1 = plain(inputs, hidden)
        self.conv2 = halving(hidden, outputs, halves=halves)
        self.norm0: nn.Module | None = None
        self.shortcut: nn.Module | None = None
        if halves or inputs != outputs:
            self.norm0, self.shortcut = norm(inputs), nn.Conv2d(inputs, outputs, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``[N, O, H / 2, W / 2]``, or as large as they are, of ``[N, I, H, W]``."""
        inner: Tensor = self.conv1(F.relu(self.norm1(maps)))
        inner = self.conv2(F.relu(self.norm2(inner)))
        if self.norm0 is None or self.shortcut is None:
            out: Tensor = inner + maps
            return out
        # Averages and 1×1 convolutions change places as enlarging does, at a quarter of the work.
        beside: Tensor = self.shortcut(_halved(self.norm0(maps), self.halves))
        return inner + beside


def _halved(maps: Tensor, halves: bool) -> Tensor:
    return F.avg_pool2d(maps, 2) if halves else maps


class Attention(nn.Module):
    """Self-attention over the places of a map, its share 0 at first (Zhang et al. 2019).

    arXiv:1805.08318, equations 1 to 3: queries and keys of an eighth of the channels, values of
    half; keys and values at every second place, as its authors' code and all after it have it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        few, half = max(1, channels // 8), max(1, channels // 2)
        self.query = nn.Conv2d(channels, few, 1, bias=False)
        self.key = nn.Conv2d(channels, few, 1, bias=False)
        self.value = nn.Conv2d(channels, half, 1, bias=False)
        self.output = nn.Conv2d(half, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``[N, C, H, W]`` of ``[N, C, H, W]``."""
        queries = self.query(maps).flatten(2).transpose(1, 2)  # [N, places, few]
        keys = F.max_pool2d(self.key(maps), 2).flatten(2)  # [N, few, places / 4]
        values = F.max_pool2d(self.value(maps), 2).flatten(2)  # [N, half, places / 4]
        shares = torch.softmax(queries @ keys, dim=-1)  # [N, places, places / 4]
        seen = values @ shares.transpose(1, 2)  # [N, half, places]
        seen = seen.view(maps.shape[0], -1, *maps.shape[2:])  # [N, half, H, W]
        out: Tensor = maps + self.gamma * self.output(seen)
        return out


def initialise(network: nn.Module, how: Initialiser, std: float) -> None:
    """Draw the weights of every layer, in the order of its modules; biases start at 0.

    'glorot' is uniform up to g · √(6 / (fan in + fan out)) (Glorot & Bengio 2010, eq. 16), with
    g = √2 in the 3×3 convolutions of blocks, whose inputs come from a ReLU, and 1 elsewhere.
    """
    in_blocks = {
        layer
        for block in network.modules()
        if hasattr(block, "conv2")  # all kinds of blocks, and nothing else
        for layer in block.modules()
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)
    }
    for module in network.modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        if how == "glorot":
            nn.init.xavier_uniform_(module.weight, math.sqrt(2.0) if module in in_blocks else 1.0)
        elif how == "orthogonal":
            nn.init.orthogonal_(module.weight)
        else:
            nn.init.normal_(module.weight, 0.0, std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def divide_by_norms(network: nn.Module) -> None:
    """Put spectral norm on every layer with weights (Miyato et al. 2018, arXiv:1802.05957)."""
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            spectral_norm(module)
