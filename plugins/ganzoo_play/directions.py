"""The main directions of latents: those along which a first layer's output varies most."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    Model = Any
    """A trained generator, as ``ganzoo.open_run(...).model()`` returns it."""

BATCH = 64
MOST_LATENTS, FEWEST_LATENTS = 1024, 256
MOST_NUMBERS = 1 << 24
"""Of a layer's outputs that are kept, over all latents."""


@dataclass(frozen=True)
class Directions:
    """The main directions, the first one first.

    Attributes:
        vectors: ``[K, Z]`` float32; each is a step of one standard deviation.
        shares: ``[K]``, the share of all variance that lies along each.
        layer: the name of the layer they are of; empty where they are numbers of the latent.
    """

    vectors: Tensor
    shares: Tensor
    layer: str


def directions(model: Model, count: int = 8, seed: int = 0) -> Directions:
    """Return the main directions of a generator's latents.

    GANSpace (Härkönen et al. 2020, arXiv:2004.02546, section 3.2): principal components of the
    first layer's output over random latents, taken back to latents by regression. Unlike there,
    latents are regressed on all components, not on the few that are kept, so that what the others
    explain is no noise in these; of a linear layer W the directions are then its right singular
    vectors. Signs are arbitrary and chosen so that the largest number of each is positive.

    Where no layer with weights is given the latent, the directions are the latent's first numbers.

    Args:
        model: the generator.
        count: K, at most.
        seed: of the latents; equal seeds give equal directions.
    """
    size = model.recipe.latent.size
    found = first_layer(model)
    latents = model.draw(MOST_LATENTS, seed)
    outputs = None if found is None else outputs_of(model, found[1], latents)
    if found is None or outputs is None:
        count = min(count, size)
        deviation = latents.std(0)[:count]
        shares = torch.full((count,), 1 / size)
        return Directions(torch.eye(size)[:count] * deviation[:, None], shares, "")
    latents = latents[: len(outputs)]
    outputs, latents = outputs - outputs.mean(0), latents - latents.mean(0)
    components = min(size, len(outputs) - 1, outputs.shape[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _, lengths, axes = torch.pca_lowrank(outputs, components, center=False, niter=2)
    varying = lengths > 1e-5 * lengths.max()
    scores = outputs @ axes[:, varying]  # [N, components that vary]
    back = torch.linalg.lstsq(scores, latents, driver="gelsd").solution
    vectors = (back * scores.std(0)[:, None])[:count]  # [K, Z]
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    shares = lengths[varying].square() / outputs.square().sum()
    return Directions(vectors * largest.sign(), shares[:count], found[0])


class Enough(Exception):  # noqa: N818  nothing is wrong
    """The layer has answered; what follows it need not be computed."""


def first_layer(model: Model) -> tuple[str, nn.Module] | None:
    """Return name and module of the first layer with weights whose output follows the latent."""
    found: list[tuple[str, nn.Module]] = []

    def watch(name: str) -> Any:
        def note(layer: nn.Module, _: Any, output: Any) -> None:
            if not found and isinstance(output, Tensor) and output.ndim > 1 and len(output) == 2:
                flat = output.flatten(1)
                if flat.is_floating_point() and bool((flat[0] != flat[1]).any()):
                    found.append((name, layer))
                    raise Enough

        return note

    hooks = [
        layer.register_forward_hook(watch(name))
        for name, layer in model.network.named_modules()
        if isinstance(getattr(layer, "weight", None), Tensor) and layer.weight.ndim > 1
    ]
    try:
        with suppress(Enough):
            model(model.draw(2), one_class(model, 2))
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else None


def outputs_of(model: Model, layer: nn.Module, latents: Tensor) -> Tensor:
    """Return what ``layer`` makes of the first latents, ``[N, D]``: of as many as memory is for."""
    kept: list[Tensor] = []

    def keep(_layer: nn.Module, _given: Any, output: Tensor) -> None:
        kept.append(output.detach().float().flatten(1).cpu())
        raise Enough

    hook = layer.register_forward_hook(keep)
    try:
        most = len(latents)
        for start in range(0, len(latents), BATCH):
            if start >= most:
                break
            part = latents[start : start + BATCH]
            with suppress(Enough):
                model(part, one_class(model, len(part)))
            most = max(FEWEST_LATENTS, min(most, MOST_NUMBERS // kept[0].shape[1]))
    finally:
        hook.remove()
    return torch.cat(kept)


def one_class(model: Model, count: int) -> Tensor | None:
    """Return the same class ``[N]`` for all; None where the generator takes none."""
    uses = model.recipe.generator.uses_labels
    return torch.zeros(count, dtype=torch.int64) if uses else None
