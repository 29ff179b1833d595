"""The pull-away term of EBGAN (Zhao et al. 2017, arXiv:1609.03126)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ganzoo.api import Context, GanzooError, MovingNonNegative, RegularizerSpec, Terms
from ganzoo_classic.shown import shown

if TYPE_CHECKING:
    from torch import Tensor


class PullAway(RegularizerSpec):
    """Make the features of fakes point in different directions.

    Zhao et al. 2017, arXiv:1609.03126, section 2.4: the mean squared cosine between the features of
    two different fakes of the batch. Features are what the discriminator returns as 'features' (an
    autoencoder's code). Only for the generator.
    """

    use: ClassVar[str] = "pull_away"

    weight: MovingNonNegative = 0.1
    """Factor of the term."""

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'pull_away'.

        Raises:
            GanzooError: if there is one fake only.
        """
        features = shown(ctx.fake_out, "features", self.use)
        if len(features) < 2:
            raise GanzooError(
                f"{self.use}: it compares fakes, but the batch has one; raise batch_size"
            )
        return {self.use: self.weight * mean_squared_cosine(features)}


def mean_squared_cosine(features: Tensor) -> Tensor:
    """Return the mean over pairs i ≠ j of (cos ∠(sᵢ, sⱼ))², of ``[N, F]``."""
    from torch.nn.functional import normalize

    directions = normalize(features.flatten(1), dim=1)
    count = len(directions)
    squares = (directions @ directions.T).square()
    return (squares.sum() - squares.diagonal().sum()) / (count * (count - 1))
