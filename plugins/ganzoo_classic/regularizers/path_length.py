"""Path length regularization (Karras et al. 2020, arXiv:1912.04958)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from ganzoo.api import (
    Context,
    GanzooError,
    ImageShape,
    MovingNonNegative,
    RegularizerSpec,
    Terms,
)

if TYPE_CHECKING:
    from torch import Tensor, nn


class PathLength(RegularizerSpec):
    """StyleGAN2's path length: keep the slope of images along the latent the same everywhere.

    Karras et al. 2020, arXiv:1912.04958, equation 4: E (‖Jᵀy‖₂ - a)² with J the Jacobian of the
    images, y normal noise, over √(H·W) as in the authors' code, and a the running mean of the
    lengths, including this step's; no gradient flows through a. J is with respect to the latent, or
    to the styles that a generator returns as 'w': if there are several layers, ``[N, L, W]``, the
    squared length is the mean over layers, as in that code. If images depend on each other (batch
    norm), the slope of one includes the others.
    """

    use: ClassVar[str] = "path_length"
    second_order: ClassVar[bool] = True
    logged: ClassVar[tuple[str, ...]] = ("mean",)

    weight: MovingNonNegative = 2.0
    """Factor γ of the penalty."""
    every: PositiveInt = 4
    """Apply at every k-th update of its side (not step), multiplied by k to keep its strength."""
    at: Literal["latent", "w"] = "latent"
    """With respect to what: the generator's input, or the styles it returns."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the batch for which new images are made; with at = 'w' and 1, the step's own \
images are used."""
    decay: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Weight of a new length in the running mean."""

    def module(self, latent_size: int, image: ImageShape) -> nn.Module:  # noqa: ARG002
        """Return the running mean."""
        from ganzoo_classic.remembered import Remembered

        return Remembered("mean")

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'path_length'.

        Raises:
            GanzooError: if the generator shows no 'w' where its slope is asked for.
        """
        import torch

        images, start = self._made(ctx)
        y = torch.randn_like(images) / (images.shape[2] * images.shape[3]) ** 0.5
        (slope,) = torch.autograd.grad((images * y).sum(), start, create_graph=True)
        # vector_norm has the gradient 0, not NaN, at a length of exactly 0.
        lengths = torch.linalg.vector_norm(slope.flatten(1), dim=1)
        if slope.ndim > 2:
            lengths = lengths / slope.shape[1] ** 0.5
        ctx.own.mean.lerp_(lengths.detach().mean().to(ctx.own.mean), self.decay)
        away = lengths - ctx.own.value("mean")
        return {self.use: self.weight * away.square().mean()}

    def _made(self, ctx: Context) -> tuple[Tensor, Tensor]:
        """Return images, and what they were made of with its graph."""
        from ganzoo_classic.remade import remade

        count = max(1, round(self.share * len(ctx.latent)))
        if self.at == "w":
            if "w" not in ctx.made:
                there = ", ".join(map(repr, ctx.made))
                raise GanzooError(
                    f"{self.use}: the generator shows {there} and no 'w'; use at = 'latent'"
                )
            made = ctx.made if self.share == 1 else remade(ctx, ctx.latent[:count], count)
            return made["images"], made["w"]
        latent = ctx.latent[:count].detach().requires_grad_()
        return remade(ctx, latent, count)["images"], latent
