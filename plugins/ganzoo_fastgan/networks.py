"""The two networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo_fastgan.layers import SLOPE, Down, Excitation, TwoWaysDown, Up, convolution, norm
from ganzoo_fastgan.sizes import (
    FIRST,
    LAST,
    doublings,
    judged_width,
    made_width,
    small_side,
    small_width,
)


class Generator(nn.Module):
    """A 4×4 map of the latent, doubled again and again; early maps weigh channels of late ones."""

    def __init__(
        self, base: int, latent_size: int, side: int, channels: int, *, bounded: bool
    ) -> None:
        super().__init__()
        sides = doublings(FIRST, side)
        self.sides, self.small_side = sides, small_side(side)
        widths = {at: made_width(base, at) for at in (FIRST, *sides)}
        first = nn.ConvTranspose2d(latent_size, 2 * widths[FIRST], FIRST, bias=False)
        nn.init.normal_(first.weight, 0.0, 0.02)
        self.first = nn.Sequential(spectral_norm(first), norm(2 * widths[FIRST]), nn.GLU(1))
        self.ups = nn.ModuleDict(
            {
                str(at): Up(widths[at // 2], widths[at], at, noisy=number % 2 == 0)
                for number, at in enumerate(sides)
            }
        )
        # From a map to the one sixteen times as large: 4 to 64, 8 to 128, up to 32 to 512.
        self.excitations = nn.ModuleDict(
            {
                str(at): Excitation(widths[at // 16], widths[at], at // 16)
                for at in sides
                if 64 <= at <= 512
            }
        )
        self.to_small = convolution(widths[self.small_side], channels, 1)
        self.to_image = convolution(widths[side], channels, 3, padding=1)
        self.output = nn.Tanh() if bounded else nn.Identity()

    def forward(self, latent: Tensor) -> dict[str, Tensor]:
        """Make images ``[N, C, S, S]`` of latents ``[N, Z]``, and 'small' ones beside them."""
        maps = self.first(latent[..., None, None])  # [N, 16B, 4, 4]
        seen = {FIRST: maps}
        for side in self.sides:
            maps = self.ups[str(side)](maps)
            if str(side) in self.excitations:
                maps = self.excitations[str(side)](seen[side // 16], maps)
            seen[side] = maps
        small = self.to_small(seen[self.small_side])
        return {"images": self.output(self.to_image(maps)), "small": self.output(small)}


class Discriminator(nn.Module):
    """Two ways: the image down to 8×8 with skip-layer excitation, and a small copy of it.

    Called with small images alone, it goes the second way only.
    """

    def __init__(self, base: int, side: int, channels: int) -> None:
        super().__init__()
        self.small_side = small_side(side)
        # Images above 256 are halved by plain convolutions first.
        start = min(side, 256)

        def width(at: int) -> int:
            return judged_width(base, at)

        if side <= 256:
            stem = [convolution(channels, width(side), 3, padding=1), nn.LeakyReLU(SLOPE)]
        else:
            stem = [convolution(channels, width(side // 2), 4, 2, 1), nn.LeakyReLU(SLOPE)]
            stem += [Down(width(512), width(256))] if side == 1024 else []
        self.stem = nn.Sequential(*stem)
        self.sides = [start, *[start >> k for k in range(1, start.bit_length()) if start >> k >= 8]]
        self.downs = nn.ModuleDict(
            {str(at): TwoWaysDown(width(2 * at), width(at)) for at in self.sides[1:]}
        )
        # From a map to the one an eighth as large.
        self.excitations = nn.ModuleDict(
            {
                str(at): Excitation(width(8 * at), width(at), 8 * at)
                for at in self.sides[1:]
                if 8 * at <= start
            }
        )
        self.head = nn.Sequential(
            convolution(width(LAST), 2 * width(LAST), 1),
            norm(2 * width(LAST)),
            nn.LeakyReLU(SLOPE),
            convolution(2 * width(LAST), 1, 4),
        )
        sides = doublings(LAST, self.small_side // 2)[::-1]
        first = small_width(base, self.small_side // 2)
        self.small = nn.Sequential(
            convolution(channels, first, 4, 2, 1),
            nn.LeakyReLU(SLOPE),
            *(Down(small_width(base, at), small_width(base, at // 2)) for at in sides),
        )
        self.small_head = convolution(small_width(base, LAST), 1, 4)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Score images ``[N, C, S, S]``, or small ones, by logits ``[N]``: means of patches.

        Returns:
            Beside 'logits', 'patches' and 'small_patches' ``[N, 25]``, and the maps that decoders
            read: 'whole' ``[N, 8B, 8, 8]``, 'part' ``[N, 4B, 16, 16]``, 'small' ``[N, 4B, 8, 8]``.
        """
        if images.shape[-1] == self.small_side:
            return self._of_small(images)
        small = F.interpolate(images, size=(self.small_side, self.small_side), mode="nearest")
        out = self._of_small(small)
        maps = self.stem(images)
        seen = {self.sides[0]: maps}
        for side in self.sides[1:]:
            maps = self.downs[str(side)](maps)
            if str(side) in self.excitations:
                maps = self.excitations[str(side)](seen[8 * side], maps)
            seen[side] = maps
        patches = self.head(maps).flatten(1)
        logits = torch.cat([patches, out["small_patches"]], 1).mean(1)
        return out | {
            "logits": logits, "patches": patches, "whole": maps, "part": seen[2 * LAST],
        }  # fmt: skip

    def _of_small(self, small: Tensor) -> dict[str, Tensor]:
        maps = self.small(small)
        patches = self.small_head(maps).flatten(1)
        return {"logits": patches.mean(1), "small_patches": patches, "small": maps}
