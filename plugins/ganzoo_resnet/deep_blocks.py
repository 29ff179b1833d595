"""The blocks of BigGAN-deep: narrow inside, several before the size of a map changes.

Brock et al. 2019, arXiv:1809.11096, appendix B, figure 16.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo_resnet.blocks import Norm
from ganzoo_resnet.convolutions import enlarge, enlarged, enlarging, halving, plain

NARROW = 4
"""A block's inner maps have a quarter of its channels."""


class DeepUpBlock(nn.Module):
    """Norm, ReLU, 1×1, norm, ReLU, enlarged, 3×3, norm, ReLU, 3×3, norm, ReLU, 1×1.

    Beside it the maps themselves, enlarged: as many of the first channels as come out, as in the
    paper, or 1×1 of all.
    """

    def __init__(
        self, inputs: int, outputs: int, norm: Norm, mode: str, *, enlarges: bool, learned: bool
    ) -> None:
        super().__init__()
        inner = max(1, inputs // NARROW)
        self.mode, self.enlarges, self.outputs = mode, enlarges, outputs
        self.norm1, self.norm2, self.norm3, self.norm4 = norm(inputs), *(norm(inner) for _ in "234")
        self.conv1 = nn.Conv2d(inputs, inner, 1)
        self.conv2 = enlarging(inner, inner, mode) if enlarges else plain(inner, inner)
        self.conv3 = plain(inner, inner)
        self.conv4 = nn.Conv2d(inner, outputs, 1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if learned else None

    def forward(self, maps: Tensor, condition: Tensor | None) -> Tensor:
        """Return ``[N, O, H, W]``, or twice as high and wide, of ``[N, I, H, W]``."""
        inner = self.conv1(F.relu(self.norm1(maps, condition)))
        inner = F.relu(self.norm2(inner, condition))
        inner = enlarged(inner, self.conv2, self.mode) if self.enlarges else self.conv2(inner)
        inner = self.conv3(F.relu(self.norm3(inner, condition)))
        inner = self.conv4(F.relu(self.norm4(inner, condition)))
        beside = maps[:, : self.outputs] if self.shortcut is None else self.shortcut(maps)
        out: Tensor = inner + self._larger(beside)
        return out

    def _larger(self, maps: Tensor) -> Tensor:
        return enlarge(maps, self.mode) if self.enlarges else maps


class DeepDownBlock(nn.Module):
    """ReLU, 1×1, ReLU, 3×3, ReLU, 3×3, ReLU, halved, 1×1.

    Beside it the maps themselves, halved. Channels that they lack come from a 1×1 convolution, as
    in the paper; or, as StudioGAN has it, a 1×1 convolution makes all wherever size or channels
    change, and the inner maps are halved before the last ReLU.
    """

    def __init__(self, inputs: int, outputs: int, *, halves: bool, learned: bool) -> None:
        super().__init__()
        inner = max(1, outputs // NARROW)
        self.halves, self.learned = halves, learned
        self.conv1 = nn.Conv2d(inputs, inner, 1)
        self.conv2 = plain(inner, inner)
        self.conv3 = halving(inner, inner, halves=halves and learned)
        self.conv4 = nn.Conv2d(inner, outputs, 1)
        made = (outputs if halves or inputs != outputs else 0) if learned else outputs - inputs
        self.shortcut = nn.Conv2d(inputs, made, 1) if made else None

    def forward(self, maps: Tensor) -> Tensor:
        """Return ``[N, O, H, W]``, or half as high and wide, of ``[N, I, H, W]``."""
        inner = self.conv3(F.relu(self.conv2(F.relu(self.conv1(F.relu(maps))))))
        inner = F.relu(inner) if self.learned else self._smaller(F.relu(inner))
        beside = self._smaller(maps)
        if self.shortcut is not None:
            made = self.shortcut(beside)
            beside = made if self.learned else torch.cat([beside, made], 1)
        out: Tensor = self.conv4(inner) + beside
        return out

    def _smaller(self, maps: Tensor) -> Tensor:
        return F.avg_pool2d(maps, 2) if self.halves else maps


class UpStage(nn.ModuleList):
    """Blocks of which the last one enlarges, all told the same condition."""

    def __init__(
        self, inputs: int, outputs: int, norm: Norm, mode: str, *, depth: int, learned: bool
    ) -> None:
        super().__init__(
            DeepUpBlock(
                inputs,
                outputs if number == depth - 1 else inputs,
                norm,
                mode,
                enlarges=number == depth - 1,
                learned=learned,
            )
            for number in range(depth)
        )

    def forward(self, maps: Tensor, condition: Tensor | None) -> Tensor:
        """Return ``[N, O, 2·H, 2·W]`` of ``[N, I, H, W]``."""
        for block in self:
            maps = block(maps, condition)
        return maps


def down_stage(
    inputs: int, outputs: int, *, depth: int, halves: bool, learned: bool
) -> nn.Sequential:
    """Return blocks of which the first one may halve."""
    return nn.Sequential(
        *(
            DeepDownBlock(
                outputs if number else inputs,
                outputs,
                halves=halves and number == 0,
                learned=learned,
            )
            for number in range(depth)
        )
    )
