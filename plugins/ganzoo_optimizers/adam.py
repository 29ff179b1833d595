"""Adam (Kingma & Ba 2015, arXiv:1412.6980)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, NonNegativeFloat, PositiveFloat

from ganzoo.api import OptimizerSpec, OrRamp

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

Fraction = Annotated[float, Field(ge=0, lt=1), OrRamp]


FUSED = ("cpu", "cuda")
"""Devices on which torch updates a weight in one pass."""


class Adam(OptimizerSpec):
    """Adam: steps of about one learning rate, whatever the size of the gradient.

    Kingma & Ba 2015, arXiv:1412.6980, algorithm 1, as in torch: ε is added to √v̂. The defaults are
    the paper's; most GANs use a smaller β₁, 0.5 in DCGAN or 0 in WGAN-GP.
    """

    use: ClassVar[str] = "adam"

    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = [0.9, 0.999]  # noqa: RUF012
    """Decay of the running means of the gradient and of its square."""
    eps: PositiveFloat = 1e-8
    """Added to the root of the mean square."""
    weight_decay: NonNegativeFloat = 0.0
    """L2 penalty: this times the weight is added to its gradient."""
    amsgrad: bool = False
    """Whether to divide by the largest mean square so far (Reddi et al. 2018)."""

    def build(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """Return ``torch.optim.Adam`` over ``parameters``."""
        from ganzoo_optimizers.eager import EagerAdam

        moved = list(parameters)
        return EagerAdam(
            moved,
            lr=self.lr,
            betas=(self.betas[0], self.betas[1]),
            eps=self.eps,
            weight_decay=self.weight_decay,
            amsgrad=self.amsgrad,
            # One pass over weight, gradient and moments in place of ten, wherever torch has it.
            fused=all(item.device.type in FUSED for item in moved),
        )
