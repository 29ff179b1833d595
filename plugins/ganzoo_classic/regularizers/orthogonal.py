"""Orthogonal regularization as in BigGAN (Brock et al. 2019, arXiv:1809.11096)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from ganzoo.api import Context, GanzooError, MovingNonNegative, RegularizerSpec, Terms

if TYPE_CHECKING:
    from torch import Tensor, nn


class Orthogonal(RegularizerSpec):
    """Make the filters of each layer orthogonal, without changing their lengths.

    Brock et al. 2019, arXiv:1809.11096, equation 3: β ‖WᵀW ⊙ (1 - I)‖²_F, summed over the layers;
    the columns of W are the filters of its output channels. The gradient is 4 W (WᵀW ⊙ (1 - I)).
    The authors' code adds half of that, so their 1e-4 is a weight of 5e-5 here. It applies to
    linear layers and convolutions, not to embeddings and norms; with spectral norm, to the weight
    before the division.
    """

    use: ClassVar[str] = "orthogonal"

    weight: MovingNonNegative = 5e-5
    """Factor β of the penalty."""
    of: Literal["generator", "discriminator"] = "generator"
    """Which network."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return 'orthogonal' where it is the discriminator's."""
        return self._penalty(ctx.discriminator) if self.of == "discriminator" else {}

    def generator_terms(self, ctx: Context) -> Terms:
        """Return 'orthogonal' where it is the generator's."""
        return self._penalty(ctx.generator) if self.of == "generator" else {}

    def _penalty(self, network: nn.Module) -> Terms:
        import torch

        found = []
        for filters in _filters(network):
            products = filters @ filters.T  # [O, O]
            found.append((products - products.diag().diag()).square().sum())
        if not found:
            raise GanzooError(
                f"{self.use}: the {self.of} has no linear or convolutional layer with more than "
                "one filter; leave it out"
            )
        return {self.use: self.weight * torch.stack(found).sum()}


def _filters(network: nn.Module) -> Iterator[Tensor]:
    """Yield each layer's filters as rows ``[O, inputs]``, where there is more than one."""
    from torch import nn
    from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

    for module in network.modules():
        if not isinstance(module, nn.Linear | _ConvNd):
            continue
        # Reading a parametrized weight computes it, and spectral norm's moves its vectors.
        parametrized = getattr(module, "parametrizations", None)
        weight: Tensor = parametrized.weight.original if parametrized is not None else module.weight
        rows = weight.transpose(0, 1) if isinstance(module, _ConvTransposeNd) else weight
        if len(rows) > 1:
            yield rows.flatten(1)
