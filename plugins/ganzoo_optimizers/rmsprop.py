"""RMSprop (Hinton, Srivastava & Swersky 2012, lecture 6e), in torch's form and in Keras'."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, PositiveFloat

from ganzoo.api import OptimizerSpec

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


class Rmsprop(OptimizerSpec):
    """RMSprop: gradients divided by the root of their running mean square.

    v ← alpha · v + (1 - alpha) g², then w ← w - lr · g / (√v + eps). This is the form of torch and
    of Keras 2.0; Keras 2.15 and 3 divide by √(v + eps), which makes smaller steps where v is not
    far above eps. The defaults are torch's; those of Keras are alpha 0.9 and eps 1e-7 (2.0: 1e-8).
    """

    use: ClassVar[str] = "rmsprop"

    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay of the running mean square, ρ in Keras."""
    eps: PositiveFloat = 1e-8
    """Added to the denominator, so the division stays finite."""
    epsilon_inside_root: bool = False
    """Whether to divide by √(v + eps), as in Keras 3, instead of √v + eps."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the previous step, before the learning rate, that is kept."""
    centered: bool = False
    """Whether to subtract the squared mean gradient from v (Graves 2013, arXiv:1308.0850)."""

    def build(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """Return ``torch.optim.RMSprop`` over ``parameters``, or its form with eps in the root."""
        from ganzoo_optimizers.eager import EagerRMSprop

        form: Callable[..., Optimizer] = EagerRMSprop
        if self.epsilon_inside_root:
            from ganzoo_optimizers.root_epsilon import RootEpsilonRMSprop

            form = RootEpsilonRMSprop
        return form(
            parameters,
            lr=self.lr,
            alpha=self.alpha,
            eps=self.eps,
            momentum=self.momentum,
            centered=self.centered,
        )
