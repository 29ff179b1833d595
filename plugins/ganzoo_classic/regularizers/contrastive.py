"""Contrastive class terms: 2C of ContraGAN (arXiv:2006.12681), D2D-CE of ReACGAN (2111.01118)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from ganzoo.api import Context, ImageShape, RegularizerSpec, Terms
from ganzoo_classic.shown import shown, sized

if TYPE_CHECKING:
    from torch import Tensor, nn


class Contrastive(RegularizerSpec):
    """Pull an image's embedding to the vector of its class, and push it away from other images'.

    fᵢ is the embedding of image i and v the vector of its class, both of length 1; the exponents
    are cosines divided by the temperature τ:

    - '2c' (Kang & Park 2020, arXiv:2006.12681, section 3.2), minus the log of the share that v and
      the other images of the class have in v and all other images.
    - 'd2d_ce' (Kang et al. 2021, arXiv:2111.01118, section 3.3), minus the log of the share that v
      has in v and the images of other classes; cosines count up to the margin m with v, and from
      1 - m on with others: what is easy no longer pulls.

    The discriminator's term uses real images, the generator's its fakes. Each looks across the
    batch: if the batch is cut into parts (``step.accumulate``), it only sees each part.
    """

    use: ClassVar[str] = "contrastive"
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})

    form: Literal["2c", "d2d_ce"] = "d2d_ce"
    """ContraGAN's loss, or ReACGAN's."""
    size: PositiveInt = 64
    """Length of an embedding; discriminator.embedding_size must be the same."""
    temperature: PositiveFloat = 0.5
    """Temperature τ, which divides the cosines: 0.5 in ReACGAN, 1 in ContraGAN."""
    margin: Annotated[float, Field(gt=0, le=1)] = 0.98
    """Margin m: a cosine of m with the vector of the same class is enough, and 1 - m with other \
classes."""

    def module(self, latent_size: int, image: ImageShape) -> nn.Module:  # noqa: ARG002
        """Return a vector for each class."""
        from torch import nn

        return nn.Embedding(max(1, image.num_classes), self.size)

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'contrastive', of the real images."""
        return {self.use: self._apart(ctx, ctx.real_out, ctx.real_labels)}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'contrastive', of the fakes."""
        return {self.use: self._apart(ctx, ctx.fake_out, ctx.fake_labels)}

    def _apart(self, ctx: Context, out: Terms, labels: Tensor | None) -> Tensor:
        from torch.nn.functional import normalize

        assert labels is not None  # 'needs' says so
        found = sized(shown(out, "embedding", self.use), self.size, self.use, "'size'")
        images, own = normalize(found, dim=1), normalize(ctx.own(labels), dim=1)
        to_class = (images * own).sum(1)  # [N]
        to_images = images @ images.T  # [N, N]
        if self.form == "2c":
            return self.weight * two_c(to_class, to_images, labels, self.temperature)
        return self.weight * d2d_ce(to_class, to_images, labels, self.temperature, self.margin)


def two_c(to_class: Tensor, to_images: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Return the mean over images of -log ((a + Σ same) / (a + Σ all others)).

    Args:
        to_class: cosines ``[N]`` of images and their classes' vectors.
        to_images: cosines ``[N, N]`` of images.
    """
    import torch

    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    alike = (labels[:, None] == labels) & ~itself
    own = to_class[:, None] / temperature
    others = to_images / temperature

    def among(chosen: Tensor) -> Tensor:
        picked = others.masked_fill(~chosen, -torch.inf)
        return torch.cat([own, picked], 1).logsumexp(1)

    return (among(~itself) - among(alike)).mean()


def d2d_ce(
    to_class: Tensor, to_images: Tensor, labels: Tensor, temperature: float, margin: float
) -> Tensor:
    """Return the mean over images of -log (a / (a + Σ other classes)), with margins.

    Args:
        to_class: cosines ``[N]`` of images and their classes' vectors.
        to_images: cosines ``[N, N]`` of images.
    """
    import torch

    own = (to_class - margin).clamp(max=0) / temperature
    others = (to_images - (1 - margin)).clamp(min=0) / temperature
    others = others.masked_fill(labels[:, None] == labels, -torch.inf)
    return (torch.cat([own[:, None], others], 1).logsumexp(1) - own).mean()
