"""Statistics of batch norm taken anew before images are made: BigGAN's standing statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganzoo.common.errors import GanzooError
from ganzoo.recipe.model import Recipe
from ganzoo.training.precision import images_of
from ganzoo.training.randomness import draw, key

BATCH = 250
"""Images of a batch whose statistics are taken."""


def norms_of(generator: nn.Module) -> list[_BatchNorm]:
    """Return the layers of batch norm that keep statistics of the training."""
    return [
        each
        for each in generator.modules()
        if isinstance(each, _BatchNorm) and each.running_mean is not None
    ]


def refuse_without_norms(generator: nn.Module) -> None:
    """Raise GanzooError if there are no statistics that could be taken anew."""
    if not norms_of(generator):
        raise GanzooError(
            "standing statistics: the generator has no batch norm, so there are none to take anew; "
            "leave out measure.standing, or --standing"
        )


@torch.no_grad()
def take_standing(
    generator: nn.Module,
    recipe: Recipe,
    batches: int,
    *,
    seed: int,
    device: torch.device,
    labels: Tensor | None = None,
) -> None:
    """Put into each batch norm the average of mean and variance over ``batches`` batches.

    Brock et al. 2019, arXiv:1809.11096, section 3: statistics that do not depend on the batch at
    hand, nor on weights of steps ago, as the running ones do. In a batch each layer sees what the
    layers before it make of that batch's own statistics; variances are the unbiased ones. All other
    layers are in eval mode. The same seed gives the same statistics, whatever was there before.

    Args:
        labels: classes ``[M]`` that those batches are drawn from, for a generator that takes them.

    Raises:
        GanzooError: if there is no batch norm that keeps statistics.
    """
    refuse_without_norms(generator)
    norms = norms_of(generator)
    momenta = [norm.momentum for norm in norms]
    generator.eval()
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain average of all batches
            norm.train()
        for number in range(batches):
            source = torch.Generator().manual_seed(key(seed, "standing", number))
            latents = draw(recipe.latent, BATCH, source)
            asked = None
            if recipe.generator.uses_labels and labels is not None:
                chosen = torch.randint(len(labels), (BATCH,), generator=source)
                asked = labels[chosen].to(device)
            images_of(recipe.generator, generator, latents.to(device), asked)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
