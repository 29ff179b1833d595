"""Adaptive discriminator augmentation (Karras et al. 2020, arXiv:2006.06676)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn

from ganzoo.api import Context, ImageShape, ViewSpec, hookimpl


class Strength(nn.Module):
    """The probability p of each augmentation."""

    p: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("p", torch.zeros(()))


def pipe(images: Tensor, p: Tensor) -> Tensor:
    """Return ``[N, C, H, W]``: each image flipped, shifted and brightened with probability p."""
    count, device = len(images), images.device

    def chosen() -> Tensor:
        return (torch.rand(count, device=device) < p).view(-1, 1, 1, 1)

    images = torch.where(chosen(), images.flip(3), images)
    side = images.shape[3]
    reach = max(1, side // 8)
    shift = torch.randint(-reach, reach + 1, (count, 1), device=device)
    columns = (torch.arange(side, device=device) + shift) % side
    moved = images.gather(3, columns[:, None, None].expand_as(images))
    images = torch.where(chosen(), moved, images)
    light = 0.2 * torch.randn(count, 1, 1, 1, device=device)
    return torch.where(chosen(), images + light, images)


class Ada(ViewSpec):
    """Augment as often as the discriminator overfits, by the share r of real images it is sure of.

    Section 3: r = E sign D(x); p grows where r is above the target and falls where it is below. The
    pipe has a flip, integer shifts and brightness of the paper's eighteen.
    """

    use: ClassVar[str] = "zoo_ada"

    target: float = 0.6
    """Where r is held."""
    images: PositiveFloat = 500_000
    """Real images in which p can move from 0 to 1."""

    def module(self, latent_size: int, image: ImageShape) -> nn.Module:  # noqa: ARG002
        """Return p, from 0."""
        return Strength()

    def apply(self, images: Tensor, which: Literal["real", "fake"], own: Any = None) -> Tensor:  # noqa: ARG002
        """Return the augmented images."""
        return pipe(images, own.p)

    def observe(self, ctx: Context) -> None:
        """Move p."""
        r = ctx.real_logits.sign().mean()
        step = (r - self.target).sign() * len(ctx.real_logits) / self.images
        ctx.own.p.add_(step).clamp_(0, 1)


@hookimpl
def ganzoo_views() -> list[type[ViewSpec]]:
    """Supply the view."""
    return [Ada]
