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
    """Let the generator learn from the share of its fakes that look most real.

    Sinha et al. 2020, arXiv:2002.06224, section 3: of a batch of fakes the k with the highest
    logits count in the generator's loss, the discriminator's stays as it is. k falls from the whole
    batch by a factor of γ an epoch down to ν of it; here a ramp on the share says so, as
    ``share = { start = 1.0, end = 0.5, until = 10000, course = "exponential" }``.

    A CUDA graph cannot hold it, with a fixed share or a moving one: how many fakes are left decides
    the sizes of what follows, and a graph has one size for each. Steps are then made as written,
    which the run says; a share that were a weight of each fake instead would need a loss inside
    that weighs.
    """

    use: ClassVar[str] = "top_k"

    share: Annotated[float, Field(gt=0, le=1), OrRamp] = 0.5
    """Share of the fakes that count, rounded up to whole ones."""

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
