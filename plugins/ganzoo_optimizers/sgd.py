"""Stochastic gradient descent, with momentum where wanted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, NonNegativeFloat, ValidationInfo, field_validator

from ganzoo.api import OptimizerSpec

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


class Sgd(OptimizerSpec):
    """Gradient descent with momentum: b ← momentum · b + g, then w ← w - lr · b.

    The learning rate is outside the velocity b, as in torch (Sutskever et al. 2013 have it inside).
    """

    use: ClassVar[str] = "sgd"

    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the previous velocity that is kept."""
    nesterov: bool = False
    """Whether to use Nesterov's momentum, a step along g + momentum · b; needs momentum."""
    weight_decay: NonNegativeFloat = 0.0
    """L2 penalty: this times the weight is added to its gradient."""

    @field_validator("nesterov")
    @classmethod
    def _needs_momentum(cls, nesterov: bool, info: ValidationInfo) -> bool:
        if nesterov and info.data.get("momentum") == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return nesterov

    def build(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """Return ``torch.optim.SGD`` over ``parameters``."""
        from ganzoo_optimizers.eager import EagerSGD

        return EagerSGD(
            parameters,
            lr=self.lr,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
        )
