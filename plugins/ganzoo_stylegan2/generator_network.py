"""The generator: styles, modulated convolutions, noise, images of all sizes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.api import ImageShape
from ganzoo_stylegan2.fields import channels
from ganzoo_stylegan2.filters import Filtered
from ganzoo_stylegan2.layers import EPS, GAIN, SLOPE, Convolution, Dense, Mapping

if TYPE_CHECKING:
    from ganzoo_stylegan2.fields import GeneratorFields, Size

MEMORY = 0.995
"""Share of the average style that a batch leaves as it is."""


class Layer(nn.Module):
    """A modulated 3×3 convolution, noise, a bias, leaky ReLU.

    Karras et al. 2020, arXiv:1912.04958, equations 1 and 3: the kernel w of an image is scaled by
    its style s along the input channels, and each output channel's kernel brought to norm 1. The
    sums are the same where the image's maps are scaled instead, before by s and after by
    1 / √(Σ (s·w)²), and one convolution does the whole batch.

    Args:
        size: height and width of what it makes.
        grows: whether its input is half as large: zeros between all numbers, the convolution, and
            a filter.
        gain: factor on what comes out.
    """

    fixed_noise: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        w_size: int,
        size: Size,
        *,
        grows: bool = False,
        gain: float = 1.0,
        noise: str = "fixed",
    ) -> None:
        super().__init__()
        self.style = Dense(w_size, inputs, bias=1.0)
        # As a transposed convolution reads it: inputs first, where it grows.
        self.weight = nn.Parameter(
            torch.randn(inputs, outputs, 3, 3) if grows else torch.randn(outputs, inputs, 3, 3)
        )
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("fixed_noise", torch.randn(size))
        self.filtered = Filtered("grown", (size[0] + 1, size[1] + 1)) if grows else None
        self.scale = 1 / math.sqrt(9 * inputs)
        self.gain = GAIN * gain
        self.noise = noise

    def forward(self, maps: Tensor, w: Tensor) -> Tensor:
        """Return ``[N, outputs, H, W]`` of maps and styles ``[N, W]``."""
        style = self.style(w)  # [N, inputs]
        maps = maps * style[..., None, None]
        square = self.weight.square().sum((2, 3))
        if self.filtered is None:
            square = square.t()
            maps = F.conv2d(maps, self.weight, padding=1)
        else:
            maps = self.filtered(F.conv_transpose2d(maps, self.weight, stride=2))
        energy = style.square() @ square  # [N, outputs]
        back = (energy * self.scale**2 + EPS).rsqrt() * (self.scale * self.gain)
        added = (self.bias * self.gain)[:, None, None]
        noise = self._noise(maps)
        if noise is not None:
            added = added + noise * (self.strength * self.gain)
        return F.leaky_relu(maps * back[..., None, None] + added, SLOPE)

    def _noise(self, maps: Tensor) -> Tensor | None:
        if self.training:
            height, width = self.fixed_noise.shape
            return torch.randn(
                maps.shape[0], 1, height, width, device=maps.device, dtype=maps.dtype
            )
        return self.fixed_noise if self.noise == "fixed" else None


class ToImage(nn.Module):
    """A modulated 1×1 convolution to the image's channels; nothing is brought back to norm 1."""

    def __init__(self, inputs: int, outputs: int, w_size: int) -> None:
        super().__init__()
        self.style = Dense(w_size, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = 1 / math.sqrt(inputs)

    def forward(self, maps: Tensor, w: Tensor) -> Tensor:
        """Return ``[N, C, H, W]`` of maps and styles ``[N, W]``."""
        style = self.style(w) * self.scale
        return F.conv2d(maps * style[..., None, None], self.weight, self.bias)


class Block(nn.Module):
    """Two layers, of which the first doubles the map; only the second where it is the first map."""

    def __init__(
        self, spec: GeneratorFields, inputs: int, size: Size, image_channels: int, *, is_last: bool
    ) -> None:
        super().__init__()
        outputs = channels(spec, size)
        half = (size[0] // 2, size[1] // 2)
        is_first = inputs == 0
        is_residual = spec.form == "residual" and not is_first
        gain = math.sqrt(0.5) if is_residual else 1.0
        self.first = (
            None
            if is_first
            else Layer(inputs, outputs, spec.w_size, size, grows=True, noise=spec.noise)
        )
        self.second = Layer(outputs, outputs, spec.w_size, size, gain=gain, noise=spec.noise)
        self.aside = (
            # 1×1 before doubling: the order makes no difference, but four times the work.
            nn.Sequential(
                Convolution(inputs, outputs, 1, gain=gain, activated=False),
                Filtered("doubled", half),
            )
            if is_residual
            else None
        )
        makes_image = is_last or spec.form == "skip"
        self.to_image = ToImage(outputs, image_channels, spec.w_size) if makes_image else None
        self.enlarged = Filtered("doubled", half) if spec.form == "skip" and not is_first else None

    def forward(
        self, maps: Tensor, image: Tensor | None, styles: list[Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """Return maps and image; ``styles`` are those of its layers and of the image's."""
        beside = None if self.aside is None else self.aside(maps)
        if self.first is not None:
            maps = self.first(maps, styles[-3])
        maps = self.second(maps, styles[-2])
        if beside is not None:
            maps = maps + beside
        if self.to_image is not None:
            made = self.to_image(maps, styles[-1])
            if image is not None and self.enlarged is not None:
                made = made + self.enlarged(image)
            image = made
        return maps, image


class Generator(nn.Module):
    """Mapping, styles of all layers, a learned map, blocks."""

    average: Tensor
    other: Tensor

    def __init__(
        self, spec: GeneratorFields, latent_size: int, image: ImageShape, maps: list[Size]
    ) -> None:
        super().__init__()
        self.spec = spec
        self.num_layers = 2 * len(maps)
        num_classes = image.num_classes if spec.uses_labels else 0
        self.mapping = Mapping(
            latent_size, num_classes, spec.w_size, spec.mapping_layers, spec.mapping_rate
        )
        self.register_buffer("average", torch.zeros(spec.w_size))
        if spec.mix_from is not None:
            source = torch.Generator().manual_seed(spec.mix_with)
            drawn = torch.randn(1, latent_size, generator=source, device="cpu")
            self.register_buffer("other", drawn, persistent=False)
        widths = [channels(spec, size) for size in maps]
        self.constant = nn.Parameter(torch.randn(widths[0], *maps[0]))
        self.blocks = nn.ModuleList(
            Block(spec, before, size, image.channels, is_last=size == maps[-1])
            for before, size in zip([0, *widths[:-1]], maps, strict=True)
        )

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """Make 'images' ``[N, C, H, W]`` of latents ``[N, Z]`` and classes ``[N]``, and show 'w'.

        Returns:
            The images, and the styles ``[N, L, W]`` they were made of, L = 2 for each size of maps.
        """
        styles = self._styles(latent, labels)
        of_layers = list(styles.unbind(1))
        maps = self.constant.expand(latent.shape[0], -1, -1, -1)
        image: Tensor | None = None
        for number, block in enumerate(self.blocks):
            # An image has the style that the next size's first layer has.
            maps, image = block(maps, image, of_layers[max(0, 2 * number - 1) : 2 * number + 2])
        assert image is not None
        return {"images": image, "w": styles}

    def _styles(self, latent: Tensor, labels: Tensor | None) -> Tensor:
        """Return ``[N, L, W]``."""
        w = self.mapping(latent, labels)
        spec = self.spec
        if self.training:
            with torch.no_grad():
                batch = w.detach().mean(0).to(self.average)
                self.average.lerp_(batch, 1 - MEMORY)
            if spec.style_mixing:
                return self._mixed(w, self.mapping(torch.randn_like(latent), labels))
            return self._repeated(w)
        styles = self._repeated(w)
        if spec.mix_from is not None:
            other = self.mapping(self.other.expand_as(latent).to(latent), labels)
            is_other = torch.arange(self.num_layers, device=w.device) >= spec.mix_from
            styles = torch.where(is_other[:, None], other[:, None], styles)
        if spec.truncation != 1:
            count = self.num_layers if spec.truncated_layers is None else spec.truncated_layers
            pulled = torch.lerp(self.average.to(styles), styles[:, :count], spec.truncation)
            styles = torch.cat([pulled, styles[:, count:]], 1)
        return styles

    def _repeated(self, w: Tensor) -> Tensor:
        """Return ``[N, L, W]`` of ``[N, W]``."""
        return w[:, None].expand(-1, self.num_layers, -1)

    def _mixed(self, w: Tensor, other: Tensor) -> Tensor:
        """Give a share of the images the other's styles from a layer on, drawn for each image.

        Karras et al. 2019, arXiv:1812.04948, section 3.1.
        """
        count = w.shape[0]
        start = torch.randint(1, self.num_layers, (count, 1), device=w.device)
        is_mixed = torch.rand(count, 1, device=w.device) < self.spec.style_mixing
        is_other = (torch.arange(self.num_layers, device=w.device) >= start) & is_mixed  # [N, L]
        return torch.where(is_other[..., None], other[:, None], w[:, None])
