"""Path length regularization (Karras et al. 2020, arXiv:1912.04958, section 3.2)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganzoo.api import (
    Context,
    GeneratorSpec,
    ImageShape,
    MovingNonNegative,
    RegularizerSpec,
    Terms,
    hookimpl,
)


class Generator(nn.Module):
    """Maps latents to styles w, and w to images; shows both."""

    def __init__(self, latent_size: int, image: ImageShape, width: int) -> None:
        super().__init__()
        self.shape = (image.channels, image.height, image.width)
        self.mapping = nn.Sequential(nn.Linear(latent_size, width), nn.LeakyReLU(0.2))
        self.synthesis = nn.Sequential(
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, image.channels * image.height * image.width),
            nn.Tanh(),
        )

    def forward(self, latent: Tensor) -> dict[str, Tensor]:
        """Return 'images' ``[N, C, H, W]`` and 'w' ``[N, W]``."""
        w = self.mapping(latent)
        return {"images": self.synthesis(w).unflatten(1, self.shape), "w": w}


class StyleGenerator(GeneratorSpec):
    """A perceptron with a mapping network."""

    use: ClassVar[str] = "zoo_style"

    width: PositiveInt = 16
    """Numbers in w."""

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return the network."""
        return Generator(latent_size, image, self.width)


class Mean(nn.Module):
    """The running mean a of path lengths."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))


class PathLength(RegularizerSpec):
    """Keep the slope of the images along w the same everywhere: E (‖Jᵀy‖₂ - a)², equation 4.

    y is normal noise over √(H·W), as in the authors' code; a is the running mean of the lengths.
    """

    use: ClassVar[str] = "zoo_path_length"
    trained_with: ClassVar[Literal["generator", "discriminator"]] = "generator"
    second_order: ClassVar[bool] = True

    weight: MovingNonNegative = 2.0
    """Factor γ on the penalty."""
    decay: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Share of a new length in the running mean."""

    def module(self, latent_size: int, image: ImageShape) -> nn.Module:  # noqa: ARG002
        """Return the running mean."""
        return Mean()

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'path_length'."""
        images, w = ctx.made["images"], ctx.made["w"]
        y = torch.randn_like(images) / (images.shape[2] * images.shape[3]) ** 0.5
        (slope,) = torch.autograd.grad((images * y).sum(), w, create_graph=True)
        lengths = slope.to(ctx.own.mean.dtype).square().sum(1).sqrt()  # w may be bfloat16
        ctx.own.mean.lerp_(lengths.detach().mean(), self.decay)
        return {"path_length": self.weight * (lengths - ctx.own.mean.clone()).square().mean()}


@hookimpl
def ganzoo_generators() -> list[type[GeneratorSpec]]:
    """Supply the generator."""
    return [StyleGenerator]


@hookimpl
def ganzoo_regularizers() -> list[type[RegularizerSpec]]:
    """Supply the regularizer."""
    return [PathLength]
