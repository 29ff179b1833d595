"""Does an image of a batch change what is made of the others? Then its parts are not the whole."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.plugin.types import Role
from ganzoo.training.feed import Batch
from ganzoo.training.half_step import Game, Player, Players, apply_views, half_step, terms_of
from ganzoo.training.precision import named
from ganzoo.training.randomness import observing

TOGETHER = "it looks at the images of a batch together"
NO_MEAN = "it is not a mean over the images of a batch"
FEW = 8
"""Images of one part that are tried, at most."""
TOLERANCE = 1e-11
"""What rounding in float64 may make of nothing, in proportion."""


def couples(network: nn.Module, given: Tensor, labels: Tensor | None, main: str = "logits") -> bool:
    """Return whether what a network makes of one input depends on the others of its batch.

    Batch norm does that; penalties on the slope at single images then lose their meaning
    (Gulrajani et al. 2017, section 4).

    Args:
        given: images, or latents of a generator.
        main: the name of what is looked at.
    """
    if len(given) < 2:
        return False
    found = []
    for batch in (given, torch.cat([given[:1], _other(given[1:])])):
        with observing(network), torch.no_grad():
            torch.manual_seed(0)
            probe_of = copy.deepcopy(network).train()
            inputs = (batch,) if labels is None else (batch, labels)
            found.append(named(probe_of(*inputs), main)[main][0])
    return not torch.allclose(found[0], found[1], rtol=1e-3, atol=1e-6)


def coupled_terms(
    game: Game, players: Players, batch: Batch, latent: Tensor, sizes: Sequence[int]
) -> dict[str, str]:
    """Return which terms are not the mean of those of a batch's parts, and why; by role and name.

    In float64, on copies. A function of two halves of a batch is a sum of one of each exactly if
    f(a, b) − f(a', b) − f(a, b') + f(a', b') is nothing, whatever random numbers are drawn, as long
    as they are the same ones. Where none are drawn, the sum is compared with the whole, too.

    Args:
        batch: at least two images; labels and inputs as they come.
        latent: one for each of these images.
        sizes: images of each part that ``step.accumulate`` makes of a batch.
    """
    size = _few(players.views, batch.images, sizes[0])
    # As many as are tried, repeated where there are fewer.
    rows = torch.arange(2 * size) % len(batch.images)
    first = batch.rows(rows).each(_double)
    latents = _double(latent[rows % len(latent)])
    found = {}
    roles: tuple[Role, Role] = ("discriminator", "generator")
    for role in roles:

        def values(
            odd_a: bool,
            odd_b: bool,
            part: slice = slice(None),
            seed: int = 0,
            role: Role = role,
        ) -> dict[str, Tensor]:
            odd = torch.tensor([odd_a] * size + [odd_b] * size)
            images = _where(odd, first.images)
            inputs = None if first.inputs is None else _where(odd, first.inputs)[part]
            labels = None if first.labels is None else first.labels[part]
            return _terms(
                game,
                players,
                role,
                Batch(images[part], labels, inputs),
                _where(odd, latents)[part],
                seed,
            )

        whole = values(False, False)
        mixed = [values(True, False), values(False, True), values(True, True)]
        again = values(False, False, seed=1)
        halves = [values(False, False, half) for half in (slice(size), slice(size, None))]
        for name, value in whole.items():
            if any(name not in each for each in (*mixed, again, *halves)):
                continue
            a, b, both = (each[name] for each in mixed)
            near = TOLERANCE * max(float(each.abs()) for each in (value, a, b, both)) + 1e-12
            is_random = float((again[name] - value).abs()) > near
            mean = (halves[0][name] + halves[1][name]) / 2
            if float((value - a - b + both).abs()) > near:
                found[f"{role}'s term {name!r}"] = TOGETHER
            elif not is_random and float((value - mean).abs()) > near:
                found[f"{role}'s term {name!r}"] = NO_MEAN
    return found


def leaves_out(views: Sequence[Player[Any]], images: Tensor, sizes: Sequence[int]) -> bool:
    """Return whether views show another share of a part than of the whole, as packs may."""
    whole = sum(sizes)
    shown = _shown(views, images, whole)
    return any(_shown(views, images, size) * whole != shown * size for size in set(sizes))


def _shown(views: Sequence[Player[Any]], images: Tensor, count: int) -> int:
    """Return how many things the discriminator is shown of ``count`` images."""
    if not views:
        return count
    with observing(), torch.no_grad():
        rows = torch.arange(count, device=images.device) % len(images)
        return len(apply_views(views, images[rows, :, :, :], "real"))


def _few(views: Sequence[Player[Any]], images: Tensor, size: int) -> int:
    """Return how many images of a part will do: so many that views show the same share of them."""
    if size <= FEW:
        return size
    shown = _shown(views, images, size)
    for few in range(FEW, 0, -1):
        if few * shown % size == 0 and _is_shown(views, images, few, few * shown // size):
            return few
    return size


def _is_shown(views: Sequence[Player[Any]], images: Tensor, count: int, wanted: int) -> bool:
    return wanted > 0 and _shown(views, images, count) == wanted


def _terms(
    game: Game, players: Players, role: Role, batch: Batch, latent: Tensor, seed: int
) -> dict[str, Tensor]:
    """Return the terms of one half of a step on copies in float64, which cannot remember it."""
    with observing():
        torch.manual_seed(seed)
        copies = {place: _copied(module) for place, module in game.own.items()}
        owns = {id(module): copies[place] for place, module in game.own.items()}
        alone = Game(
            game.recipe,
            _lively(_copied(game.generator)),
            _lively(_copied(game.discriminator)),
            game.steps,
            copies,
        )

        def replayed(player: Player[Any]) -> Player[Any]:
            return Player(player.spec, owns.get(id(player.own)))

        again = Players(
            replayed(players.loss),
            [replayed(each) for each in players.regularizers],
            [replayed(each) for each in players.views],
        )
        alone.discriminator.requires_grad_(role == "discriminator")
        made: Mapping[str, Tensor] = alone.make(latent, batch.labels)
        if role == "discriminator":
            made = {name: value.detach() for name, value in made.items()}
        found = terms_of(half_step(alone, role, 0, batch, made, latent, again), again)
        return {name: value.detach().double().cpu() for name, value in found.items()}


def _copied(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module).cpu().double().train()


def _lively(network: nn.Module) -> nn.Module:
    """Give a copy weights at which an image matters: at the first ones, fakes are nearly grey."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim > 1:
                drawn = torch.randn(weight.shape, generator=generator, dtype=torch.double)
                weight.copy_(drawn * (len(weight) / weight.numel()) ** 0.5)
    return network


def _double(given: Tensor) -> Tensor:
    given = given.detach().cpu()
    return given.double() if given.is_floating_point() else given


def _where(odd: Tensor, given: Tensor) -> Tensor:
    """Return ``given`` with the odd rows made others."""
    return torch.where(odd.view(-1, *[1] * (given.ndim - 1)), _other(given), given)


def _other(given: Tensor) -> Tensor:
    """Return other images, or latents, than those given, one for each."""
    return given.flip(*range(1, given.ndim)) * 0.5
