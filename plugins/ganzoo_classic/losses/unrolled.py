"""Unrolled GAN: the generator looks k steps ahead (Metz et al. 2017, arXiv:1611.02163)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, PositiveFloat

from ganzoo.api import Context, Terms
from ganzoo_classic.losses import inside

if TYPE_CHECKING:
    from torch import Tensor


class Unrolled(inside.Around):
    """Unrolled GAN: train the generator against the discriminator as it will be k steps later.

    Metz et al. 2017, arXiv:1611.02163, equations 6 to 9: θ⁰ = θ, θⁱ⁺¹ = θⁱ - η ∇f(θⁱ) by gradient
    descent on the step's own real images and fakes, where f is what the discriminator minimises in
    the loss inside. The generator minimises the loss inside against θᵏ. The gradient goes through
    all k steps, by the fakes in each of them (the second term of equation 9). With through_steps =
    false, θᵏ is treated as a constant.

    The discriminator itself does not change: its weights and buffers are copied. Its own half of
    the step is that of the loss inside, and regularizers are not part of the steps ahead. The
    authors use Adam for the steps ahead; here it is plain gradient descent with rate η, as in
    equation 7. ReLU and leaky ReLU in the discriminator have a second derivative of 0; smooth
    activations pass more on.
    """

    use: ClassVar[str] = "unrolled"

    ahead: Annotated[int, Field(ge=0, le=100)] = 5
    """Number k of steps ahead; 0 is the loss inside."""
    rate: PositiveFloat = 0.1
    """Learning rate η of these steps."""
    through_steps: bool = True
    """Whether the generator's gradient goes through them."""

    def generator_terms(self, ctx: Context) -> Terms:
        """Return the terms of the loss inside, against the discriminator k steps ahead."""
        import torch

        from ganzoo_classic.losses.asked import Asked

        asked = Asked(ctx)
        weights = {
            name: each.detach().clone().requires_grad_() for name, each in asked.named_parameters()
        }
        buffers = {name: each.clone() for name, each in asked.named_buffers()}

        def outputs(images: Tensor, labels: Tensor | None = None) -> Mapping[str, Tensor]:
            found: Mapping[str, Tensor] = torch.func.functional_call(
                asked, {**weights, **buffers}, (images, labels)
            )
            return found

        def shown(fake: Tensor) -> Any:
            return inside.Shown(
                ctx, outputs, outputs(ctx.real, ctx.real_labels), outputs(fake, ctx.fake_labels)
            )

        fake = ctx.fake if self.through_steps else ctx.fake.detach()
        for _ in range(self.ahead):
            terms = inside.discriminator_terms(self.inside, shown(fake))
            slopes = torch.autograd.grad(
                torch.stack([*terms.values()]).sum(),
                [*weights.values()],
                create_graph=self.through_steps,
                allow_unused=True,
                materialize_grads=True,
            )
            weights = {
                name: each - self.rate * slope
                for (name, each), slope in zip(weights.items(), slopes, strict=True)
            }
        return inside.generator_terms(self.inside, shown(ctx.fake))
