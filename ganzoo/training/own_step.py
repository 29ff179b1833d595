"""A step that a plugin makes: it says whose gradients are taken of what, and who moves when.

Batches, parts of them, several processes, precision, views and the recipe's own loss are seen to
here, so that a step is written as if it saw the whole batch at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.attempt import attempt
from ganzoo.plugin.specs import RegularizerSpec
from ganzoo.plugin.types import Part, Role, Terms
from ganzoo.recipe.model import Recipe
from ganzoo.training import drawing, in_parts
from ganzoo.training.drawing import Rows
from ganzoo.training.feed import Batch
from ganzoo.training.half_step import (
    Game,
    HalfStep,
    Player,
    Players,
    accuracy,
    half_step,
    owners,
    terms_of,
    total,
)
from ganzoo.training.in_parts import Leaf, Memory, RandomState
from ganzoo.training.precision import outputs
from ganzoo.training.randomness import Noise, key
from ganzoo.training.shards import Cut
from ganzoo.training.step import AdversarialStep, Inputs, Ramps, Side, cut_of, observes, parts_of
from ganzoo.training.together import Group
from ganzoo.training.whole_norm import WholeNorm


class OwnStep:
    """Makes the steps of a ``StepSpec`` that has an ``update`` of its own."""

    def __init__(
        self,
        recipe: Recipe,
        sides: Mapping[str, Side],
        noise: Noise,
        cast: torch.dtype | None = None,
        *,
        memory: Mapping[str, nn.Module] | None = None,
        own: Mapping[str, nn.Module] | None = None,
        steps: int = 1,
        group: Group | None = None,
    ) -> None:
        self.recipe = recipe
        self.sides = sides
        self.noise = noise
        self.cast = cast
        self.memory = memory or {}
        self.own = own or {}
        self.steps = steps
        self.group = group or Group()
        self.cut = cut_of(recipe, self.group)
        self.ramps = Ramps(owners(recipe), steps)
        self.reads_step = False
        self.networks: dict[str, nn.Module] = {
            **{name: side.network for name, side in sides.items()},
            **self.memory,
        }
        self._halves: AdversarialStep | None = None

    def __call__(
        self, step: int, next_batch: Callable[[int], Batch], *, observe: bool = False
    ) -> dict[str, Tensor]:
        """Make step number ``step``; return its terms by name, scalars on the device."""
        self.noise.seed_globals(step)
        return self.update(step, self.inputs(step, next_batch), observe=observe)

    def inputs(self, step: int, next_batch: Callable[[int], Batch]) -> Inputs:
        """Return everything step number ``step`` starts from."""
        count = self.recipe.step.batches()
        numbers = [step * count + k for k in range(count)]
        batches = [next_batch(number) for number in numbers]
        latents = [
            self.recipe.generator.latents(
                self.noise.latents(self.recipe.latent, batch.size, "latent", number)
            )
            for number, batch in zip(numbers, batches, strict=True)
        ]
        return Inputs(batches, latents, [])

    def update(self, step: int, inputs: Inputs, *, observe: bool) -> dict[str, Tensor]:
        """Make a step from its inputs."""
        play, spec = Played(self, step, inputs, observe), self.recipe.step
        with everybody_back(self.sides):
            found = dict(attempt(spec, "update()", lambda: spec.update(play)))
        for name, value in found.items():
            if not isinstance(value, Tensor) or value.ndim != 0 or name[:2] not in {"d/", "g/"}:
                raise GanzooError(
                    f"step {self.recipe.step.use!r}: update() returned {name!r}, which is no term "
                    "as play.gather() names it: a scalar tensor called 'd/...' or 'g/...'"
                )
        self.reads_step |= play.reads_step
        if observe:
            found |= play.watched | self._remembered()
        return {name: value.detach() for name, value in found.items()}

    def waits(self, step: int) -> bool:
        """Return whether generators are not moved in step number ``step``."""
        return step < self.recipe.step.waits()

    def players(self, step: int, number: int) -> Players:
        """Return which components are asked in update ``number`` of step ``step``."""
        at, specs = self.ramps.at, owners(self.recipe)
        found: Any = {p: Player(at(spec, step), self.own.get(p)) for p, spec in specs.items()}
        return Players(
            found["loss"],
            [
                found[f"regularizer.{place}"]
                for place, spec in enumerate(self.recipe.regularizer)
                if number % spec.every == 0
            ],
            [found[f"view.{place}"] for place in range(len(self.recipe.view))],
        )

    def halves(self) -> AdversarialStep:
        """Return what makes a step in two halves of the same sides."""
        if self._halves is None:
            both = self.sides["generator"], self.sides["discriminator"]
            self._halves = AdversarialStep(
                self.recipe, *both, self.noise, self.cast, own=self.own, steps=self.steps,
                group=self.group,
            )  # fmt: skip
        return self._halves

    def _remembered(self) -> dict[str, Tensor]:
        """Return the numbers that components remember and have logged."""
        return {
            f"s/{place}.{name}": self.own[place].get_buffer(name).detach().clone()
            for place, spec in owners(self.recipe).items()
            for name in spec.logged
        }


class Played:
    """One step as its spec sees it; see ``ganzoo.api.Play``."""

    def __init__(self, by: OwnStep, step: int, inputs: Inputs, observe: bool) -> None:
        self.by = by
        self.steps = by.steps
        self.networks: Mapping[str, nn.Module] = by.networks
        self.kept: dict[str, Tensor] = {}
        self.watched: dict[str, Tensor] = {}
        self.moves: dict[str, int] = {}
        """How often each player was moved in this step."""
        self.judged: dict[str, HalfStep] = {}
        """The newest half in which each discriminator was asked, for views that observe."""
        self.observe = observe
        self.reads_step = False
        self._step = step
        self._inputs = inputs
        self._draws = 0

    @property
    def step(self) -> int:
        """Steps finished before this one."""
        self.reads_step = True  # a captured CUDA graph would replay the number of its own step
        return self._step

    def gather(
        self, players: str | Sequence[str], terms: Callable[[Part], Terms], batch: int = 0
    ) -> dict[str, Tensor]:
        """Take the gradients of terms at the weights of players, and move nothing."""
        names = [players] if isinstance(players, str) else list(players)
        sides = [self._side(name) for name in names]
        moved = [each for side in sides for each in side.moved]
        role = self.by.recipe.step.players[names[0]]
        number = self._step * sides[0].updates + self.moves.get(names[0], 0)
        components = self.by.players(self._step, number)
        data, latent = self._inputs.batches[batch], self._inputs.latents[batch]
        kept: dict[str, list[Tensor]] = {}

        def leaf(part: Batch, own: Tensor, share: float, rows: Rows | None) -> Leaf:
            seen = OnePart(self, part, own, data.size, components, rows, kept, names)
            found = self._checked(terms(seen))
            loss = total(found) if share == 1 else total(found) * share
            has_gradient = loss.requires_grad
            if has_gradient:
                loss.backward()  # type: ignore[no-untyped-call]
            if seen.judged is not None:
                self.judged[names[0]] = seen.judged
            one = Leaf(share, {}, [], has_gradient)
            if seen.judged is not None and any(observes(v.spec) for v in components.views):
                one.logits = {
                    "real": seen.judged.real_logits.detach(),
                    "fake": seen.judged.fake_logits.detach(),
                }
            # What is watched rides along: parts and processes average it as they do the terms.
            found |= {f"{WATCHED}{name}": value for name, value in seen.watched.items()}
            one.terms = {name: value.detach() for name, value in found.items()}
            return one

        for parameter in moved:
            parameter.grad = None
        with alone(self.by.sides, moved):
            if self.by.cut.parts == 1:
                found = leaf(data, latent, 1, None).terms
                self.kept |= {name: torch.cat(rows) for name, rows in kept.items()}
            else:
                found, logits = self._in_parts(moved, data, latent, leaf, kept)
                if logits:
                    vars(self.judged[names[0]]).update(logits)
        named = {}
        for name, value in found.items():
            if name.startswith(WATCHED):
                self.watched.setdefault(f"{role[0]}/{name.removeprefix(WATCHED)}", value)
            else:
                named[f"{role[0]}/{name}"] = value
        return named

    def move(self, *players: str) -> None:
        """Move each by its optimizer."""
        for name in players:
            side = self._side(name)
            turn = self.moves.get(name, 0)
            if turn >= side.updates:
                raise GanzooError(
                    f"step {self.by.recipe.step.use!r} moves {name!r} more often than the "
                    f"{side.updates} times a step that updates() says"
                )
            side.move(self._step * side.updates + turn)
            self.moves[name] = turn + 1
            if self.by.recipe.step.players[name] == "discriminator":
                self._after(name, self._step * side.updates + turn)

    def minimise(
        self, players: str | Sequence[str], terms: Callable[[Part], Terms], batch: int = 0
    ) -> dict[str, Tensor]:
        """Gather, then move."""
        found = self.gather(players, terms, batch)
        self.move(*([players] if isinstance(players, str) else players))
        return found

    def uniform(self, *shape: int) -> Tensor:
        """Draw numbers in [0, 1) that are the same in every process, on the CPU."""
        self._draws += 1
        seed = key(self.by.noise.seed, "a step's own", self._step, self._draws)
        self.reads_step = True  # drawn on the host
        return torch.rand(shape, generator=torch.Generator().manual_seed(seed))

    def halves(self) -> dict[str, Tensor]:
        """Make a step in two halves, as the settings of ``StepSpec.halves()`` say."""
        step = self.by.halves()
        recipe = step.recipe.step
        for name, side in self.by.sides.items():
            if recipe.players[name] != "generator" or not step.waits(self._step):
                self.moves[name] = side.updates
        # It knows another noise than the batches that were drawn for it.
        found = step.update(self._step, step.inputs(self._step, self._batch), observe=self.observe)
        self.watched |= {k: found.pop(k) for k in list(found) if k.endswith("/accuracy")}
        return {name: value for name, value in found.items() if not name.startswith("s/")}

    def _batch(self, number: int) -> Batch:
        return self._inputs.batches[number - self._step * self.by.recipe.step.batches()]

    def _side(self, name: str) -> Side:
        if name not in self.by.sides:
            there = ", ".join(map(repr, self.by.sides))
            raise GanzooError(
                f"step {self.by.recipe.step.use!r} asks for a player {name!r}; there are {there}"
            )
        return self.by.sides[name]

    def _checked(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        use = self.by.recipe.step.use
        if not isinstance(terms, Mapping) or not terms:
            raise GanzooError(f"step {use!r}: what gather() asks returned no terms")
        for name, value in terms.items():
            if not isinstance(value, Tensor) or value.ndim != 0:
                found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise GanzooError(
                    f"step {use!r}: term {name!r} must be a scalar tensor, found {found}; take "
                    "the mean over the batch"
                )
        return dict(terms)

    def _in_parts(
        self,
        moved: Sequence[nn.Parameter],
        data: Batch,
        latent: Tensor,
        leaf: Callable[[Batch, Tensor, float, Rows], Leaf],
        kept: dict[str, list[Tensor]],
    ) -> tuple[dict[str, Tensor], dict[str, dict[str, Any]]]:
        """Gather over the parts of a batch, those of other processes too; see ``in_parts``."""
        by = self.by
        memory = Memory({**by.networks, **by.own}, owners(by.recipe))
        before, state = memory.now(), RandomState(by.noise.device)
        sums, leaves = in_parts.branches(by.cut), []
        for rows, part, own in parts_of(by.cut, data, latent):
            memory.put_back(before)
            state.put_back()
            norm = WholeNorm(by.group, rows) if by.recipe.train.sync_norm else None
            with drawing.Part(rows, norm):
                one = leaf(part, own, rows.count / rows.whole, rows)
            found = in_parts.taken(moved)
            one.present = [value is not None for value in found]
            one.buffers = memory.now()
            sums.put(found)
            leaves.append(one)
        first = [way == "first" for way in memory.ways]
        leaves = in_parts.everyones(by.group, leaves, by.cut, first, data.size)
        memory.settle(before, leaves)
        present = [any(each) for each in zip(*(one.present for one in leaves), strict=True)]
        gradients = in_parts.reduced(by.group, sums, moved, present)
        for parameter, gradient in zip(moved, gradients, strict=True):
            parameter.grad = gradient
        for name, own_rows in kept.items():
            self.kept[name] = everyones_rows(by.group, by.cut, torch.cat(own_rows), data.size)
        return in_parts.means(leaves), in_parts.logits_of(leaves)

    @torch.no_grad()
    def _after(self, name: str, number: int) -> None:
        """Let constraints and views look at a discriminator that was just moved."""
        components = self.by.players(self._step, number)
        for regularizer in components.regularizers:
            spec = regularizer.spec
            if type(spec).constrain is not RegularizerSpec.constrain:
                attempt(spec, "constrain()", partial(spec.constrain, self.networks[name]))
        context = self.judged.pop(name, None)
        for view in components.views if context is not None else ():
            assert context is not None
            context.own = view.own
            attempt(view.spec, "observe()", partial(view.spec.observe, context))


WATCHED = "watched "
"""Goes before the names of numbers that are watched, among the terms of a part."""


class OnePart:
    """A batch, or a part of it; see ``ganzoo.api.Part``."""

    def __init__(
        self,
        play: Played,
        batch: Batch,
        latent: Tensor,
        whole: int,
        components: Players,
        rows: Rows | None,
        kept: dict[str, list[Tensor]],
        players: Sequence[str],
    ) -> None:
        self.images, self.labels, self.inputs = batch.images, batch.labels, batch.inputs
        self.latent = latent
        self.watched: dict[str, Tensor] = {}
        self.judged: HalfStep | None = None
        self._play, self._batch, self._whole = play, batch, whole
        self._components, self._rows, self._kept = components, rows, kept
        self._players = players

    def make(self, player: str, given: Tensor | None = None) -> Tensor:
        """Return what a generator makes of ``given``; else of latents, or inputs, and labels."""
        by = self._play.by
        spec = by.recipe.generator
        if given is None:
            given = self.inputs if spec.translates else self.latent
        inputs = (given, self.labels) if spec.uses_labels else (given,)
        return outputs(self._network(player), inputs, "images", by.cast)["images"]

    def call(self, player: str, *given: Tensor) -> Mapping[str, Tensor]:
        """Return what a network says, by name; a bare tensor is 'logits'."""
        return outputs(self._network(player), given, "logits", self._play.by.cast)

    def terms(
        self, role: Role, fake: Tensor, real: Tensor | None = None, judge: str = "discriminator"
    ) -> dict[str, Tensor]:
        """Return what the recipe's loss and regularizers ask of a side, through its views."""
        by = self._play.by
        maker = self._network(by.recipe.step.makers()[0])
        side = by.sides.get(judge)
        game = Game(
            by.recipe,
            maker,
            self._network(judge),
            by.steps,
            by.own,
            by.cast,
            None if side is None else side.optimizer,
        )
        batch = self._batch if real is None else self._batch._replace(images=real)
        made = {"images": fake.detach() if role == "discriminator" else fake}
        context = half_step(
            game, role, self._play._step, batch, made, self.latent, self._components, self._rows
        )
        found = terms_of(context, self._components)
        self._play.reads_step |= context.reads_step
        if role == "discriminator":
            self.judged = context
        if self._play.observe and "accuracy" not in self.watched:
            if role == "discriminator" and context.has_logits:
                self.watched["accuracy"] = accuracy(context)
            elif role == "generator" and context.has_fake_logits:
                self.watched["accuracy"] = (context.fake_logits > 0).float().mean()
        return found

    def keep(self, name: str, rows: Tensor) -> None:
        """Keep ``[N, ...]`` for ``play.kept``."""
        self._kept.setdefault(name, []).append(rows.detach())

    def of(self, whole: Tensor) -> Tensor:
        """Return this part's rows of what belongs to the whole batch."""
        if self._rows is None:
            return whole
        return whole[self._rows.start : self._rows.start + self._rows.count]

    def _network(self, name: str) -> nn.Module:
        if name not in self._play.networks:
            there = ", ".join(map(repr, self._play.networks))
            use = self._play.by.recipe.step.use
            raise GanzooError(f"step {use!r} asks for a network {name!r}; there are {there}")
        return self._play.networks[name]


@contextmanager
def alone(sides: Mapping[str, Side], moved: Sequence[nn.Parameter]) -> Iterator[None]:
    """Keep gradients from everybody who is not moved now."""
    chosen = {id(parameter) for parameter in moved}
    others = [each for side in sides.values() for each in side.moved if id(each) not in chosen]
    for parameter in others:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in others:
            parameter.requires_grad_(True)


@contextmanager
def everybody_back(sides: Mapping[str, Side]) -> Iterator[None]:
    """Leave no gradients behind: those that a step gathered for nothing are none of the next."""
    try:
        yield
    finally:
        for side in sides.values():
            for parameter in side.moved:
                parameter.grad = None


def everyones_rows(group: Group, cut: Cut, own: Tensor, size: int) -> Tensor:
    """Return the rows ``[size, ...]`` of all processes in the order of the batch."""
    if group.count == 1:
        return own
    counts = []
    for rank in range(cut.processes):
        mine = cut.bounds(size)[rank * cut.each : (rank + 1) * cut.each]
        counts.append(mine[-1][1] - mine[0][0])
    padded = own.new_zeros(max(counts), *own.shape[1:])
    padded[: len(own)] = own
    found = group.gather(padded)
    return torch.cat([rows[:count] for rows, count in zip(found, counts, strict=True)])
