"""Consistency terms: CR (arXiv:1910.12027), bCR and zCR (arXiv:2002.04724)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import NonNegativeFloat

from ganzoo.api import Context, GanzooError, MovingNonNegative, RegularizerSpec, Terms

if TYPE_CHECKING:
    from torch import Tensor


class Consistency(RegularizerSpec):
    """Keep the discriminator's score if an image is flipped and shifted, or a latent is moved.

    T flips at random and shifts by up to an eighth, with new draws for every image and call.

    - CR, 'real': E (D(x) - D(T(x)))² (Zhang et al. 2020, arXiv:1910.12027, equation 3).
    - bCR adds 'fake': E (D(G(z)) - D(T(G(z))))² (Zhao et al. 2021, arXiv:2002.04724, algorithm 1).
    - zCR (its algorithm 2) moves z by Δz ~ N(0, σ²): the discriminator minimises
      'latent' · E (D(G(z)) - D(G(z + Δz)))², and the generator, which shall make other images,
      -'diversity' · E ‖G(z) - G(z + Δz)‖², a mean over pixels here.

    ICR is all four. Only changed images are scored again; the other scores are the step's own.
    """

    use: ClassVar[str] = "consistency"

    weight: MovingNonNegative = 1.0
    """Factor of all of it."""
    real: NonNegativeFloat = 10.0
    """Factor for real images, 10 in CR and bCR."""
    fake: NonNegativeFloat = 0.0
    """Factor for fakes, 10 in bCR."""
    latent: NonNegativeFloat = 0.0
    """Factor for moved latents in the discriminator, 20 in zCR."""
    diversity: NonNegativeFloat = 0.0
    """Factor for moved latents in the generator, 0.5 in zCR."""
    spread: NonNegativeFloat = 0.05
    """Standard deviation σ by which latents are moved."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'consistency_real', 'consistency_fake', 'consistency_latent', as asked for."""
        terms: dict[str, Tensor] = {}
        if self.real:
            moved = ctx.critic(self._changed(ctx.real), ctx.real_labels)
            terms["consistency_real"] = self._apart(self.real, ctx.real_logits, moved)
        if self.fake:
            moved = ctx.critic(self._changed(ctx.fake), ctx.fake_labels)
            terms["consistency_fake"] = self._apart(self.fake, ctx.fake_logits, moved)
        if self.latent:
            images = self._moved(ctx).detach()
            plain = ctx.critic(ctx.made["images"], ctx.fake_labels)
            moved = ctx.critic(images, ctx.fake_labels)
            terms["consistency_latent"] = self._apart(self.latent, plain, moved)
        return terms

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'diversity' where it is asked for."""
        if not self.diversity:
            return {}
        return {"diversity": -self._apart(self.diversity, ctx.made["images"], self._moved(ctx))}

    def _apart(self, factor: float, first: Tensor, second: Tensor) -> Tensor:
        return self.weight * factor * (first - second).square().mean()

    def _changed(self, images: Tensor) -> Tensor:
        if images.shape[2] == images.shape[3] == 1:
            raise GanzooError(
                f"{self.use}: points cannot be flipped or shifted; set real and fake to 0"
            )
        from ganzoo_classic.moves import flipped_and_shifted

        return flipped_and_shifted(images.detach())

    def _moved(self, ctx: Context) -> Tensor:
        """Return images of the moved latents."""
        import torch

        from ganzoo_classic.remade import remade

        return remade(ctx, ctx.latent + self.spread * torch.randn_like(ctx.latent))["images"]
