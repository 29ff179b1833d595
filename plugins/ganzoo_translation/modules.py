"""The networks of pix2pix and CycleGAN."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class UNetModule(nn.Module):
    """A U-Net from ``[N, C', H, W]`` to ``[N, C, H, W]`` in [-1, 1]."""

    def __init__(
        self, before: int, after: int, width: int, levels: int, norm: str, dropout: float
    ) -> None:
        super().__init__()
        widths = [min(width * 2**level, width * 8) for level in range(levels)]
        bias = norm != "batch"  # batch norm has one of its own
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        for level, wide in enumerate(widths):
            is_first, is_last = level == 0, level == levels - 1
            above = before if is_first else widths[level - 1]
            down: list[nn.Module] = [] if is_first else [nn.LeakyReLU(0.2)]
            down.append(nn.Conv2d(above, wide, 4, 2, 1, bias=bias))
            if not is_first and not is_last:
                down += normed(norm, wide)
            self.down.append(nn.Sequential(*down))
            made = after if is_first else above
            up: list[nn.Module] = [nn.ReLU()]
            up.append(
                nn.ConvTranspose2d(
                    wide if is_last else 2 * wide, made, 4, 2, 1, bias=bias or is_first
                )
            )
            if is_first:
                up.append(nn.Tanh())
            else:
                up += normed(norm, made)
                if dropout and not is_last and wide == above == widths[-1]:
                    up.append(nn.Dropout(dropout))
            self.up.append(nn.Sequential(*up))

    def forward(self, images: Tensor) -> Tensor:
        """Return the translated images."""
        levels = []
        for down in self.down:
            images = down(images)
            levels.append(images)
        found = levels.pop()
        for up in reversed(list(self.up)[1:]):
            found = torch.cat([levels.pop(), up(found)], 1)
        made: Tensor = self.up[0](found)
        return made


class Block(nn.Module):
    """Two convolutions whose sum with what went in is the result."""

    def __init__(self, width: int, norm: str, dropout: float, bias: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3, bias=bias),
            *normed(norm, width),
            nn.ReLU(),
            *([nn.Dropout(dropout)] if dropout else []),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3, bias=bias),
            *normed(norm, width),
        )

    def forward(self, given: Tensor) -> Tensor:
        """Return ``[N, C, H, W]``."""
        found: Tensor = given + self.layers(given)
        return found


class ResnetModule(nn.Sequential):
    """Residual blocks between two halvings and two doublings."""

    def __init__(
        self, before: int, after: int, width: int, blocks: int, norm: str, dropout: float
    ) -> None:
        bias = norm != "batch"
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(before, width, 7, bias=bias),
            *normed(norm, width),
            nn.ReLU(),
        ]
        for wide in (width, 2 * width):
            layers += [
                nn.Conv2d(wide, 2 * wide, 3, 2, 1, bias=bias),
                *normed(norm, 2 * wide),
                nn.ReLU(),
            ]
        layers += [Block(4 * width, norm, dropout, bias) for _ in range(blocks)]
        for wide in (4 * width, 2 * width):
            layers += [
                nn.ConvTranspose2d(wide, wide // 2, 3, 2, 1, output_padding=1, bias=bias),
                *normed(norm, wide // 2),
                nn.ReLU(),
            ]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, after, 7), nn.Tanh()]
        super().__init__(*layers)


class PatchModule(nn.Sequential):
    """Convolutions alone: each number that comes out is the logit of a patch."""

    def __init__(self, channels: int, width: int, layers: int, norm: str) -> None:
        bias = norm != "batch"
        found: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        wide = width
        for layer in range(1, layers + 1):
            more = min(width * 2**layer, width * 8)
            stride = 2 if layer < layers else 1
            found += [
                nn.Conv2d(wide, more, 4, stride, 1, bias=bias),
                *normed(norm, more),
                nn.LeakyReLU(0.2),
            ]
            wide = more
        found += [nn.Conv2d(wide, 1, 4, 1, 1), nn.Flatten(0)]
        super().__init__(*found)


class ImagePool(nn.Module):
    """Fakes of before, which discriminators see among new ones.

    Shrivastava et al. 2017, arXiv:1612.07828, section 2.3, as in Zhu et al. 2017: until it is full
    it keeps what it is shown and gives it back; then every second image, by chance, is exchanged
    for one that it keeps.

    Attributes:
        images: ``[size, C, H, W]``.
        count: how many of them there are.
    """

    images: Tensor
    count: Tensor

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def exchanged(self, fakes: Tensor, drawn: Tensor) -> Tensor:
        """Return ``[N, C, H, W]`` to judge in place of fakes, and keep some of them.

        Args:
            drawn: ``[N, 2]`` in [0, 1): whether an image is exchanged, and for which.
        """
        size = len(self.images)
        if not size:
            return fakes
        chance, which = drawn.to(fakes.device).unbind(1)
        found = []
        # By operations on tensors alone: nothing waits for the device to say how many there are.
        for number in range(len(fakes)):
            fake, is_full = fakes[number : number + 1], self.count >= size
            place = torch.where(is_full, (which[number] * size).long(), self.count).view(1)
            old = self.images.index_select(0, place)
            is_swapped = is_full & (chance[number] > 0.5)
            found.append(torch.where(is_swapped, old, fake))
            self.images.index_copy_(0, place, torch.where(is_full & ~is_swapped, old, fake))
            self.count.add_(1).clamp_(max=size)
        return torch.cat(found)


def normed(norm: str, channels: int) -> list[nn.Module]:
    """Return a normalisation, or nothing."""
    if norm == "batch":
        return [nn.BatchNorm2d(channels)]
    return [nn.InstanceNorm2d(channels)] if norm == "instance" else []


@torch.no_grad()
def scaled(network: nn.Module, scale: float) -> nn.Module:
    """Draw the weights from N(0, scale²), those of norms around 1; biases are 0."""
    if not scale:
        return network
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, scale)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, scale)
            nn.init.zeros_(module.bias)
    return network
