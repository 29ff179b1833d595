"""The zero-centred penalty between real and fake (Thanh-Tung et al. 2019, arXiv:1902.03984)."""

from __future__ import annotations

from typing import ClassVar

from ganzoo.api import Context, GanzooError, MovingNonNegative, RegularizerSpec, Terms


class ZeroCenteredGp(RegularizerSpec):
    """Penalise the discriminator's gradient on lines between real images and fakes.

    Thanh-Tung et al. 2019, arXiv:1902.03984, section 5: λ E ‖∇D(x̂)‖², x̂ = εx + (1 - ε)G(z) with
    one ε, uniform in [0, 1), for each pair; squared over all channels and pixels of an image. R1
    and R2 do this at the ends of the lines; 'gradient_penalty' pulls the slope to 1 instead of 0.
    """

    use: ClassVar[str] = "zero_centered_gp"
    second_order: ClassVar[bool] = True

    weight: MovingNonNegative = 100.0
    """Factor of the penalty, λ in the paper."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'zero_centered_gp'.

        Raises:
            GanzooError: if real and fake images differ in shape or number.
        """
        import torch

        if ctx.real.shape != ctx.fake.shape:
            raise GanzooError(
                f"{self.use}: real images are {list(ctx.real.shape)}, fakes "
                f"{list(ctx.fake.shape)}; it needs as many fakes as real images, of one shape"
            )
        epsilon = ctx.uniform(len(ctx.real), 1, 1, 1)
        between = (epsilon * ctx.real + (1 - epsilon) * ctx.fake).detach().requires_grad_()
        logits = ctx.critic(between, ctx.real_labels)
        (gradient,) = torch.autograd.grad(logits.sum(), between, create_graph=True)
        return {self.use: self.weight * gradient.square().sum() / len(between)}
