"""The hinge game of FastGAN, over patches of two images."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import model_validator

from ganzoo.api import Context, LossSpec, Pair, Terms

if TYPE_CHECKING:
    from torch import Tensor


class PatchHinge(LossSpec):
    """Hinge over patches, each with a random margin (Liu et al. 2021).

    arXiv:2101.04775, equations 2 and 4: the discriminator minimises E max(0, m - D(x)) + E max(0, m
    + D(G(z))), the generator -E D(G(z)), over all 'patches' and 'small_patches' that the
    discriminator returns, or over its logits if there are none. If the generator also returns
    'small' images, they are the small fakes. m is 1 in the paper, and random in the authors' code.
    """

    use: ClassVar[str] = "patch_hinge"

    margin: Pair = [1.0, 1.0]  # noqa: RUF012
    """Smallest and largest margin m, drawn uniformly for every patch; the authors use [0.8, \
1.0]."""

    @model_validator(mode="after")
    def _is_a_span(self) -> Self:
        if not 0 <= self.margin[0] <= self.margin[1]:
            raise ValueError(f"'margin' {self.margin} is not a range from 0 up")
        return self

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'real' and 'fake'."""
        real, fake = patches(ctx.real_out), self._fake(ctx)
        return {
            "real": (self._margin(ctx, real) - real).relu().mean(),
            "fake": (self._margin(ctx, fake) + fake).relu().mean(),
        }

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'adversarial'."""
        return {"adversarial": -self._fake(ctx).mean()}

    def _margin(self, ctx: Context, scores: Tensor) -> Tensor | float:
        least, largest = self.margin
        if least == largest:
            return least
        return least + (largest - least) * ctx.uniform(*scores.shape)

    def _fake(self, ctx: Context) -> Tensor:
        if "small" not in ctx.made or "small_patches" not in ctx.fake_out:
            return patches(ctx.fake_out)
        small = ctx.view(ctx.made["small"].float(), "fake")
        out = ctx.outputs(small, ctx.fake_labels)
        return patches({**ctx.fake_out, "small_patches": out["small_patches"]})


def patches(out: Terms) -> Tensor:
    """Return all scores of patches, ``[N, K]``, or the logits ``[N]`` where there are none."""
    import torch

    found = [out[name] for name in ("patches", "small_patches") if name in out]
    return torch.cat(found, 1) if found else out["logits"]
