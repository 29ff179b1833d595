"""Is a step of a plugin's own, on a batch in parts, the step on the whole batch?

In float64, on copies: a term has to be the mean of those of two halves of a batch, drawn as parts
draw. What batch norm does to it is told by itself, since there is a remedy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.types import Part as Shown
from ganzoo.plugin.types import Terms
from ganzoo.training import own_guards
from ganzoo.training.coupling import TOLERANCE
from ganzoo.training.drawing import Part, Rows
from ganzoo.training.guards import without_norms
from ganzoo.training.in_parts import Memory, RandomState
from ganzoo.training.own_step import OnePart, OwnStep, Played
from ganzoo.training.parts import Parts
from ganzoo.training.randomness import observing
from ganzoo.training.step import Inputs, cut_of

FEW = 4
"""Images that are tried: two in each half."""


def told_of_parts(parts: Parts, warn: Callable[[str], None]) -> None:
    """Warn where a batch that is cut into parts trains otherwise than in one piece."""
    cut, train = cut_of(parts.recipe, parts.group), parts.recipe.train
    if cut.parts == 1 or train.batch_size < FEW:
        return
    cuts = {"train.shards": train.shards, "step.accumulate": parts.recipe.step.accumulate}
    ways = [f"{key} = {count}" for key, count in cuts.items() if count > 1]
    way = f"a run of {cut.parts} processes" if train.sync_norm else " and ".join(ways)
    for reason in coupled(parts):
        warn(f"{way} is not the same as one large batch here: {reason}; docs/scaling.md says more")


def coupled(parts: Parts) -> list[str]:
    """Return why a batch in parts trains otherwise than in one piece; nothing where it does not."""
    reasons = []
    normed = [
        name
        for name, side in parts.sides.items()
        if any(isinstance(each, _BatchNorm) for each in side.network.modules())
    ]
    if normed and not parts.recipe.train.sync_norm:
        reasons.append(
            f"each part has its own statistics in the batch norm of {', '.join(normed)}; with "
            "train.sync_norm = true each process has those of the whole batch"
        )
    with observing(*parts.networks.values()):
        torch.manual_seed(0)
        try:
            found = _coupled_terms(parts)
        except (GanzooError, RuntimeError, TypeError) as error:
            what = str(error).partition("\n")[0]
            return [
                *reasons,
                f"or it may be different: the check, in float64, failed with: {what}",
            ]
    if found:
        listed = ", ".join(f"'{name}'" for name in found)
        reasons.append(f"it is not a mean over the images of a batch, the term {listed}")
    return reasons


def _coupled_terms(parts: Parts) -> list[str]:
    one = own_guards.alone(parts)
    for name, side in one.sides.items():
        side.network = without_norms(side.network).double()
        one.networks[name] = side.network
    for module in (*one.memory.values(), *one.own.values()):
        module.double()
    given = one.inputs(0, lambda number: own_guards.first(parts, number, FEW).each(_double))
    inputs = given._replace(latents=[_double(latent) for latent in given.latents])
    play = Halved(one, parts.recipe.step.waits(), inputs, False)
    parts.recipe.step.update(play)
    return sorted(play.coupled)


class Halved(Played):
    """A step that asks for each term three times: of a batch, and of its halves; nobody moves."""

    def __init__(self, by: OwnStep, step: int, inputs: Inputs, observe: bool) -> None:
        super().__init__(by, step, inputs, observe)
        self.coupled: set[str] = set()

    def gather(
        self, players: str | Sequence[str], terms: Callable[[Shown], Terms], batch: int = 0
    ) -> dict[str, Tensor]:
        """Return terms of the whole batch, without gradients."""
        names = [players] if isinstance(players, str) else list(players)
        role = self.by.recipe.step.players[names[0]]
        data, latent = self._inputs.batches[batch], self._inputs.latents[batch]
        components = self.by.players(self._step, 0)
        memory = Memory({**self.by.networks, **self.by.own}, {})
        before, state = memory.now(), RandomState(self.by.noise.device)
        size = data.size

        def asked(rows: Rows | None) -> tuple[dict[str, Tensor], dict[str, list[Tensor]]]:
            memory.put_back(before)
            state.put_back()
            part = slice(None) if rows is None else slice(rows.start, rows.start + rows.count)
            kept: dict[str, list[Tensor]] = {}
            shown = OnePart(
                self, data.rows(part), latent[part], size, components, rows, kept, names
            )
            found = self._checked(terms(shown))
            return {name: value.detach() for name, value in found.items()}, kept

        whole, kept = asked(None)
        halves = []
        for start in (0, size // 2):
            rows = Rows(start, size // 2, size)
            with Part(rows):
                halves.append(asked(rows)[0])
        for name, value in whole.items():
            mean = (halves[0][name] + halves[1][name]) / 2
            largest = max(float(each[name].abs()) for each in (whole, *halves))
            if float((value - mean).abs()) > TOLERANCE * largest + 1e-12:
                self.coupled.add(f"{role[0]}/{name}")
        self.kept |= {name: torch.cat(rows) for name, rows in kept.items()}
        return {f"{role[0]}/{name}": value for name, value in whole.items()}

    def move(self, *players: str) -> None:
        """Move nobody."""

    def halves(self) -> dict[str, Tensor]:
        """Leave halves alone: what couples images there is looked for in ``guards``."""
        return {}


def _double(given: Any) -> Any:
    is_real = isinstance(given, Tensor) and given.is_floating_point()
    return given.double() if is_real else given
