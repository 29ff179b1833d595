"""The decoders at work: what they draw, what of the images it is held against, and how far off."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.api import Context, GanzooError, ImageShape
from ganzoo_fastgan.distances import Distance, Lpips, RandomFeatures, lengths_of_one
from ganzoo_fastgan.layers import Decoder
from ganzoo_fastgan.sizes import LARGEST, LAST, SMALLEST, doublings, small_side


class Drawing(nn.Module):
    """A decoder for each map, and the network in whose maps images are compared.

    Args:
        widths: channels of the maps, by name.
        image: what the real images look like.
        distance: 'random', 'discriminator' or 'pixels'; or a network that is read already.
    """

    def __init__(self, widths: dict[str, int], image: ImageShape, distance: str | Distance) -> None:
        super().__init__()
        self.side = small_side(min(max(image.width, SMALLEST), LARGEST))
        sides = doublings(LAST, self.side)
        self.middle, self.reach = (image.low + image.high) / 2, (image.high - image.low) / 2
        self.decoders = nn.ModuleDict(
            {name: Decoder(width, sides, image.channels) for name, width in widths.items()}
        )
        self.distance = distance if isinstance(distance, Distance) else None
        if distance == "random":
            self.distance = RandomFeatures(image.channels)
        self.by_discriminator = distance == "discriminator"

    def forward(self, ctx: Context) -> dict[str, Tensor]:
        """Return how far what is drawn is off, by the maps' names."""
        images = ctx.real.detach()
        which = (4 * ctx.uniform(len(images))).long()
        wanted = {"whole": images, "part": quarters(images, which), "small": images}
        maps = dict(ctx.real_out) | {"part": quarters(ctx.real_out["part"], which)}
        return {
            name: self._apart(ctx, self.middle + self.reach * decoder(maps[name]), wanted[name])
            for name, decoder in self.decoders.items()
        }

    def _apart(self, ctx: Context, drawn: Tensor, images: Tensor) -> Tensor:
        wanted = F.interpolate(images, size=drawn.shape[2:], mode="nearest")
        # Networks that know pictures know them in [-1, 1].
        first, second = ((each - self.middle) / self.reach for each in (drawn, wanted))
        if isinstance(self.distance, Lpips):
            found: Tensor = self.distance(first, second)
            return found
        apart = (first - second).square().mean()
        if self.distance is not None:
            apart = apart + self.distance(first, second)
        if self.by_discriminator:
            apart = apart + _seen_apart(ctx.discriminator, drawn, wanted)
        return apart


def quarters(maps: Tensor, which: Tensor) -> Tensor:
    """Return ``[N, C, H / 2, W / 2]``: of each map the quarter ``which`` ``[N]`` of 0 to 3."""
    height, width = maps.shape[2] // 2, maps.shape[3] // 2
    parts = maps.reshape(*maps.shape[:2], 2, height, 2, width)  # [N, C, 2, H/2, 2, W/2]
    parts = parts.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)  # [N, 4, C, H/2, W/2]
    chosen = F.one_hot(which, 4).to(maps.dtype)
    # A product, whose gradient is the same on every device in every order.
    return torch.einsum("nq,nqchw->nchw", chosen, parts)


def _seen_apart(discriminator: nn.Module, drawn: Tensor, wanted: Tensor) -> Tensor:
    """Return how far apart two images are in the discriminator's small map.

    Its weights are held still: otherwise seeing nothing would be the shortest way. Copies of its
    buffers take the updates of batch norm and power iteration.
    """
    held = {name: value.detach() for name, value in discriminator.named_parameters()}
    held |= {name: value.clone() for name, value in discriminator.named_buffers()}
    out = torch.func.functional_call(discriminator, held, (torch.cat([drawn, wanted]),))
    if not isinstance(out, dict) or "small" not in out:
        raise GanzooError("reconstruction: distance 'discriminator' needs discriminator 'fastgan'")
    first, second = lengths_of_one(out["small"]).chunk(2)
    return (first - second).square().sum(1).mean()
