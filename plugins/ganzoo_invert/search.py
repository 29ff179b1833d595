"""The search: several latents go downhill side by side, and the best one seen is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    Model = Any
    """A trained generator, as ``ganzoo.open_run(...).model()`` returns it."""

CANDIDATES = 512
"""Random latents that the starts are chosen from."""
BATCH = 64
FEATURES_WEIGHT = 0.1
"""Of the features' error, against that of the pixels."""
Look = Callable[[Tensor], Tensor]


@dataclass
class Found:
    """The best latent so far.

    Attributes:
        latent: ``[1, Z]``.
        label: ``[1]``, the class that was asked for; None where the generator takes none.
        error: root of the mean square of its image's differences, as a share of the value range.
    """

    latent: Tensor
    label: Tensor | None
    error: float
    loss: float = math.inf


def search(
    model: Model,
    target: Tensor,
    *,
    steps: int = 300,
    restarts: int = 8,
    seed: int = 0,
    rate: float = 0.05,
    label: Tensor | None = None,
    look: Look | None = None,
) -> Iterator[Found]:
    """Yield the best latent so far, first of the random ones and then after each step.

    Starts are the random latents whose images are nearest. They follow the gradient by Adam
    (Kingma & Ba 2015, arXiv:1412.6980) with a rate that falls along half a cosine, as Zhu et al.
    2016, arXiv:1609.03552, section 3.1, search for latents by pixels and features. Each is kept
    where the prior has its latents.

    Args:
        model: the generator.
        target: the picture, ``[1, C, H, W]`` in the value range of the generator.
        steps: of each latent.
        restarts: latents that are followed.
        seed: of the random latents.
        rate: of the first step.
        label: the class to ask for, ``[1]``; None tries all of them where there are some.
        look: returns features of images, compared as well.
    """
    span = model.image.high - model.image.low
    target = target.to(model.device)
    wanted = None if look is None else look(target)

    def losses(images: Tensor) -> tuple[Tensor, Tensor]:
        squares = ((images - target) / span).square().flatten(1).mean(1)
        if look is None or wanted is None:
            return squares, squares
        scale = wanted.square().mean() + 1e-8
        features = (look(images) - wanted).square().flatten(1).mean(1) / scale
        return squares, squares + FEATURES_WEIGHT * features

    latents, labels = _starts(model, losses, max(restarts, CANDIDATES), restarts, seed, label)
    moving = latents.to(model.device).requires_grad_()
    optimizer = torch.optim.Adam([moving], rate)
    best = Found(latents[:1], None if labels is None else labels[:1], math.inf)
    for step in range(steps + 1):
        squares, loss = losses(model.differentiable(moving, labels))
        values = loss.detach()
        first = int(values.argmin())
        if float(values[first]) < best.loss:
            best = Found(
                moving[first : first + 1].detach().cpu().clone(),
                None if labels is None else labels[first : first + 1].cpu(),
                math.sqrt(float(squares.detach()[first])),
                float(values[first]),
            )
        yield best
        if step == steps or not loss.requires_grad:
            return
        for group in optimizer.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        (moving.grad,) = torch.autograd.grad(loss.sum(), [moving])
        optimizer.step()
        with torch.no_grad():
            moving.copy_(model.within(moving))


@torch.no_grad()
def _starts(
    model: Model,
    losses: Callable[[Tensor], tuple[Tensor, Tensor]],
    candidates: int,
    restarts: int,
    seed: int,
    label: Tensor | None,
) -> tuple[Tensor, Tensor | None]:
    """Return the random latents whose images are nearest, and their classes."""
    latents = model.draw(candidates, seed)
    labels = None
    if model.recipe.generator.uses_labels:
        numbers = torch.arange(candidates) % max(1, model.image.num_classes)
        labels = numbers if label is None else label.expand(candidates)
    found = torch.cat(
        [
            losses(model.differentiable(latents[at : at + BATCH],
                              None if labels is None else labels[at : at + BATCH]))[1]
            for at in range(0, candidates, BATCH)
        ]
    )  # fmt: skip
    nearest = found.argsort()[:restarts].cpu()
    return latents[nearest], None if labels is None else labels[nearest]
