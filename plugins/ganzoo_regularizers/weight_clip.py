"""Weight clipping, the constraint of the first WGAN (Arjovsky et al. 2017, arXiv:1701.07875)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import PositiveFloat, field_validator

from ganzoo.api import MovingNonNegative, RegularizerSpec

if TYPE_CHECKING:
    from torch import nn


class WeightClip(RegularizerSpec):
    """Clip every weight of the critic to [-limit, limit] after each of its updates.

    Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1, line 7. Only parameters are clipped, not
    the running statistics of batch norm. There is no term, so 'weight' has no effect.
    """

    use: ClassVar[str] = "weight_clip"

    weight: MovingNonNegative = 1.0
    """Not used: clipping adds no term. Set 'limit'."""
    limit: PositiveFloat = 0.01
    """Largest absolute value of a weight, c in the paper."""

    @field_validator("weight")
    @classmethod
    def _has_no_term(cls, weight: float) -> float:
        if weight != 1.0:
            raise ValueError("clipping adds no term to weigh; leave 'weight' out and set 'limit'")
        return weight

    def constrain(self, discriminator: nn.Module) -> None:
        """Clip the parameters of ``discriminator`` in place."""
        import torch

        with torch.no_grad():
            for parameter in discriminator.parameters():
                if not parameter.requires_grad:  # frozen: it stays as it is
                    continue
                parameter.clamp_(-self.limit, self.limit)
