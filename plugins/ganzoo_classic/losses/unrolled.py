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
    """Judge the generator by the discriminator that k more steps against it would make.

    Metz et al. 2017, arXiv:1611.02163, equations 6 to 9: θ⁰ = θ, θⁱ⁺¹ = θⁱ - η ∇f(θⁱ) by gradient
    descent on the step's own real images and fakes, f being what the discriminator of the loss
    inside minimises; the generator minimises the inner loss against θᵏ. The gradient goes through
    all k steps, by the fakes in each of them: that is the second term of equation 9. With
    through_steps = false it is left out, and θᵏ is taken for a constant.

    The discriminator itself stays as it is: its weights and buffers are copied. Its own half of the
    step is that of the loss inside, and regularizers are no part of the steps ahead. The authors
    look ahead with Adam; plain descent at rate η is equation 7 as it stands. A discriminator with
    ReLU or leaky ReLU has a second derivative of 0 in its activations; smooth ones pass more on.
    """

    use: ClassVar[str] = "unrolled"

    ahead: Annotated[int, Field(ge=0, le=100)] = 5
    """Steps k of the discriminator that are looked ahead; 0 is the loss inside."""
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
