"""Unrolled GAN: the generator looks k steps ahead (Metz et al. 2017, arXiv:1611.02163)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from ganzoo.api import Context, GanzooError, Terms
from ganzoo_classic.losses import inside

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    from ganzoo_classic.losses.ahead import Rule


class Unrolled(inside.Around):
    """Unrolled GAN: train the generator against the discriminator as it will be k steps later.

    Metz et al. 2017, arXiv:1611.02163, equations 6 to 9: θ⁰ = θ, θⁱ⁺¹ = θⁱ - η ∇f(θⁱ), where f is
    what the discriminator minimises in the loss inside. The gradient of the generator's loss at θᵏ
    goes through all k steps, by the fakes in each of them (the second term of equation 9). With
    through_steps = false, θᵏ is treated as a constant.

    The authors' program steps ahead with Adam, from the moments that the discriminator's optimizer
    has, and its generator minimises -f(θᵏ), all of f: steps_by = "adam" and game = "zero_sum". The
    defaults are equation 7 as it is written, and the generator's half of the loss inside.

    The discriminator itself does not change: its weights and buffers are copied. Its own half of
    the step is that of the loss inside, and regularizers are not part of the steps ahead. ReLU and
    leaky ReLU in the discriminator have a second derivative of 0; smooth activations pass more on.
    """

    use: ClassVar[str] = "unrolled"
    asks_anew: ClassVar[bool] = True

    ahead: Annotated[int, Field(ge=0, le=100)] = 5
    """Number k of steps ahead; 0 is the loss inside."""
    steps_by: Literal["descent", "adam"] = "descent"
    """Gradient descent, or the discriminator's own Adam continued from its state, without \
clipping (Kingma & Ba 2015, arXiv:1412.6980)."""
    rate: PositiveFloat | None = None
    """Learning rate η of these steps; if omitted, 0.1 for descent and the optimizer's for Adam."""
    game: Literal["inside", "zero_sum"] = "inside"
    """What the generator minimises at θᵏ: its half of the loss inside, or -f (all of it)."""
    through_steps: bool = True
    """Whether the generator's gradient goes through them."""

    @model_validator(mode="after")
    def _is_a_game(self) -> Self:
        if self.game == "zero_sum" and not (self.ahead and self.through_steps):
            raise ValueError(
                "game = 'zero_sum' reaches the generator through the steps ahead; set ahead to 1 "
                "or more and through_steps = true"
            )
        if self.game == "zero_sum" and isinstance(self.inside, inside.Around):
            raise ValueError(
                f"game = 'zero_sum' leaves out what loss '{self.inside.use}' does to the "
                "generator; set game = 'inside', or put another loss inside"
            )
        return self

    def generator_terms(self, ctx: Context) -> Terms:
        """Return the terms of the game, against the discriminator k steps ahead.

        Raises:
            GanzooError: if the steps are Adam's and the discriminator's optimizer is another one.
        """
        import torch

        from ganzoo_classic.losses.ahead import Ahead, Descent
        from ganzoo_classic.losses.asked import Asked

        fake = ctx.fake if self.through_steps else ctx.fake.detach()
        own = ctx.discriminator_optimizer
        ahead = Ahead(Asked(ctx), own)
        rule: Rule = (
            self._adam(own, ahead.weights) if self.steps_by == "adam" else Descent(self.rate or 0.1)
        )

        def shown(fake: Tensor) -> Any:
            return inside.Shown(
                ctx, ahead.outputs, ahead.outputs(ctx.real, ctx.real_labels),
                ahead.outputs(fake, ctx.fake_labels),
            )  # fmt: skip

        for _ in range(self.ahead):
            terms = inside.discriminator_terms(self.inside, shown(fake))
            ahead.step(rule, torch.stack([*terms.values()]).sum(), is_kept=self.through_steps)
        if self.game == "zero_sum":
            against = inside.discriminator_terms(self.inside, shown(ctx.fake))
            return {name: -term for name, term in against.items()}
        return inside.generator_terms(self.inside, shown(ctx.fake))

    def _adam(self, own: Optimizer | None, weights: Sequence[Tensor]) -> Rule:
        """Return Adam where the discriminator's own one is."""
        from ganzoo_classic.losses.ahead import Adam, unlike_adam

        if own is not None and (problem := unlike_adam(own)):
            raise GanzooError(
                "loss.steps_by: 'adam' continues the discriminator's optimizer, and "
                f"{problem}; make it a plain Adam (optimizer.discriminator), or set "
                "loss.steps_by = 'descent'"
            )
        return Adam(own, weights, self.rate)
