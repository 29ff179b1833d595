"""R3GAN: a relativistic game with R1 and R2 (Huang et al. 2024, arXiv:2501.05441), very small."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn.functional import interpolate, softplus

from ganzoo.api import (
    Context,
    DiscriminatorSpec,
    GeneratorSpec,
    ImageShape,
    LossSpec,
    MovingNonNegative,
    MovingShare,
    RegularizerSpec,
    Terms,
    ViewSpec,
    hookimpl,
)


class Block(nn.Module):
    """A residual block without norm, section 4: 1×1, grouped 3×3, 1×1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, 2 * width, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 2 * width, 3, 1, 1, groups=width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, width, 1, bias=False),
        )
        last = self.body[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)

    def forward(self, values: Tensor) -> Tensor:
        """Return ``[N, C, H, W]``."""
        added: Tensor = self.body(values)
        return values + added


class Up(nn.Module):
    """Doubles both sides."""

    def forward(self, values: Tensor) -> Tensor:
        """Return ``[N, C, 2H, 2W]``."""
        return interpolate(values, scale_factor=2.0, mode="bilinear")


class R3Generator(GeneratorSpec):
    """Residual blocks and two doublings."""

    use: ClassVar[str] = "zoo_r3"

    width: PositiveInt = 8
    """Channels."""

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return the network."""
        corner = (self.width, image.height // 4, image.width // 4)
        return nn.Sequential(
            nn.Linear(latent_size, corner[0] * corner[1] * corner[2]),
            nn.Unflatten(1, corner),
            Block(self.width),
            Up(),
            Block(self.width),
            Up(),
            nn.Conv2d(self.width, image.channels, 1),
        )


class R3Discriminator(DiscriminatorSpec):
    """The generator turned round."""

    use: ClassVar[str] = "zoo_r3"

    width: PositiveInt = 8
    """Channels."""

    def build(self, image: ImageShape) -> nn.Module:
        """Return the network."""
        return nn.Sequential(
            nn.Conv2d(image.channels, self.width, 1),
            Block(self.width),
            nn.AvgPool2d(2),
            Block(self.width),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(self.width * (image.height // 4) * (image.width // 4), 1),
            nn.Flatten(0),
        )


class Paired(LossSpec):
    """Each fake against a real image, equation 2 with f(t) = -log(1 + e⁻ᵗ)."""

    use: ClassVar[str] = "zoo_r3"

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'paired'."""
        return {"paired": softplus(ctx.fake_logits - ctx.real_logits).mean()}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'paired'."""
        return {"paired": softplus(ctx.real_logits - ctx.fake_logits).mean()}


class Slopes(RegularizerSpec):
    """R1 and R2: γ/2 E ‖∇D‖² at real images and at fakes, equation 3."""

    use: ClassVar[str] = "zoo_r1r2"
    needs: ClassVar[frozenset[str]] = frozenset({"real_gradient", "fake_gradient"})
    second_order: ClassVar[bool] = True

    weight: MovingNonNegative = 1.0
    """γ."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'r1' and 'r2'."""
        return {
            "r1": self.weight / 2 * ctx.image_gradient("real").square().sum((1, 2, 3)).mean(),
            "r2": self.weight / 2 * ctx.image_gradient("fake").square().sum((1, 2, 3)).mean(),
        }


class Turned(ViewSpec):
    """Turn images by half a circle, each with probability p."""

    use: ClassVar[str] = "zoo_turned"

    p: MovingShare = 0.5
    """Probability."""

    def apply(self, images: Tensor, which: Literal["real", "fake"]) -> Tensor:  # noqa: ARG002
        """Return ``[N, C, H, W]``."""
        chosen = torch.rand(len(images), 1, 1, 1, device=images.device) < self.p
        return torch.where(chosen, images.flip(2, 3), images)


@hookimpl
def ganzoo_generators() -> list[type[GeneratorSpec]]:
    """Supply the generator."""
    return [R3Generator]


@hookimpl
def ganzoo_discriminators() -> list[type[DiscriminatorSpec]]:
    """Supply the discriminator."""
    return [R3Discriminator]


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply the loss."""
    return [Paired]


@hookimpl
def ganzoo_regularizers() -> list[type[RegularizerSpec]]:
    """Supply the penalty."""
    return [Slopes]


@hookimpl
def ganzoo_views() -> list[type[ViewSpec]]:
    """Supply the view."""
    return [Turned]
