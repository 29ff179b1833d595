"""Top-k training: the generator learns from its best fakes only (Sinha et al. 2020)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from ganzoo.api import Context, OrRamp, Terms
from ganzoo_classic.losses import inside

if TYPE_CHECKING:
    from torch import Tensor


class TopK(inside.Around):
    """Train the generator only on the share of its fakes that look most real.

    Sinha et al. 2020, arXiv:2002.06224, section 3: only the k fakes with the highest logits count
    in the generator's loss; the discriminator's loss does not change. In the paper, k falls from
    the whole batch by a factor of γ per epoch down to ν of it. Here, use a ramp for the share:
    ``share = { start = 1.0, end = 0.5, until = 10000, course = "exponential" }``.

    It cannot be captured in a CUDA graph, because tensor sizes depend on how many fakes are left.
    Steps then run without a graph, and the run says so.
    """

    use: ClassVar[str] = "top_k"

    share: Annotated[float, Field(gt=0, le=1), OrRamp] = 0.5
    """Share of the fakes that count, rounded up."""

    def generator_terms(self, ctx: Context) -> Terms:
        """Return the terms of the loss inside, of the best fakes."""
        fakes = ctx.fake_out
        chosen = best(fakes["logits"], self._count(ctx, len(fakes["logits"])))
        picked = {name: value[chosen] for name, value in fakes.items()}
        return inside.generator_terms(self.inside, inside.Shown(ctx, fake_out=picked))

    def _count(self, ctx: Context, fakes: int) -> int:
        # A number of fakes lives on the host; asking for the step keeps a captured one away.
        assert ctx.step >= 0
        # 1e-6: a share of 0.3 of 10 is 3, not 4.
        return max(1, math.ceil(float(self.share) * fakes - 1e-6))


def best(logits: Tensor, count: int) -> Tensor:
    """Return the places of the ``count`` highest of ``[N]``."""
    return logits.detach().topk(count).indices
