"""One adversarial update: the only place where gradients are taken and weights are moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import Optimizer

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.attempt import attempt
from ganzoo.plugin.ramps import Ramp, at_step, ramps_of, rate
from ganzoo.plugin.specs import OptimizerSpec, RegularizerSpec, ViewSpec
from ganzoo.plugin.types import Role
from ganzoo.recipe.model import Recipe
from ganzoo.training import in_parts
from ganzoo.training.drawing import Part, Rows
from ganzoo.training.feed import Batch
from ganzoo.training.half_step import (
    Game,
    HalfStep,
    Player,
    Players,
    accuracy,
    half_step,
    in_halves,
    owners,
    terms_of,
    total,
)
from ganzoo.training.in_parts import Leaf, Memory, RandomState
from ganzoo.training.randomness import Noise
from ganzoo.training.shards import Cut
from ganzoo.training.together import Group
from ganzoo.training.whole_norm import WholeNorm

__all__ = ["AdversarialStep", "Inputs", "Ramps", "Side", "rate"]


class Inputs(NamedTuple):
    """What a step starts from.

    Attributes:
        batches: one for each update of the discriminator.
        latents: ``[N, Z]`` for each of them.
        redrawn: ``[N, Z]`` for each update of the generator, where it gets noise of its own.
    """

    batches: list[Batch]
    latents: list[Tensor]
    redrawn: list[Tensor]


class Ramps:
    """The numbers of a recipe that move, and what they are at a step.

    Args:
        specs: the components, by their places in the recipe.
        steps: length of the run.
    """

    def __init__(self, specs: Mapping[str, Any], steps: int) -> None:
        self.steps = steps
        self.named: dict[str, Ramp] = {
            f"{place}.{key}": ramp for place, spec in specs.items() for key, ramp in ramps_of(spec)
        }
        self.places: dict[Ramp, Tensor] = {}
        """Where a captured step reads the numbers; empty otherwise."""

    def at(self, spec: Any, step: int) -> Any:
        """Return ``spec`` with the numbers of step number ``step``; itself where none moves."""
        if not self.named:
            return spec
        return at_step(spec, lambda ramp: self.places.get(ramp, ramp.at(step, self.steps)))

    def values(self, step: int) -> dict[str, float]:
        """Return every number that moves, by its key in the recipe."""
        return {name: ramp.at(step, self.steps) for name, ramp in self.named.items()}

    def keep_on(self, device: torch.device) -> None:
        """Keep the numbers on a device from now on, where a captured step finds them."""
        for ramp in self.named.values():
            self.places.setdefault(ramp, torch.zeros((), device=device))

    def fill(self, step: int) -> None:
        """Write the numbers of a step to where a captured one reads them."""
        for ramp, place in self.places.items():
            place.fill_(ramp.at(step, self.steps))


@dataclass
class Side:
    """One network with the optimizer that moves it."""

    network: nn.Module
    optimizer: Optimizer
    spec: OptimizerSpec
    total_updates: int
    moved: list[nn.Parameter]
    """Everything the optimizer moves: the network, and modules of components trained with it."""
    updates: int = 1
    """Updates in a step."""
    owned: list[nn.Parameter] = field(default_factory=list)
    """The parameters among them that belong to components."""
    rates: list[list[Tensor]] = field(default_factory=list)
    """Where a captured step reads the learning rate of each update and group; empty otherwise."""

    def __post_init__(self) -> None:
        for group in self.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])

    @cached_property
    def is_still(self) -> bool:
        """Whether the optimizer's numbers never change."""
        has_own_course = type(self.spec).adjust is not OptimizerSpec.adjust
        return self.spec.schedule == "constant" and not has_own_course and not self.ramps

    @cached_property
    def ramps(self) -> list[str]:
        """The names of the optimizer's fields that move."""
        return [key.partition(".")[0] for key, _ in ramps_of(self.spec)]

    def adjust(self, update: int) -> None:
        """Set the optimizer's numbers for update number ``update``."""
        steps = max(1, self.total_updates // self.updates)
        now = at_step(self.spec, lambda ramp: ramp.at(update // self.updates, steps))
        self._adjust(now, update)
        first = at_step(self.spec, lambda ramp: ramp.at(0, steps))
        for name in self.ramps:
            value = getattr(now, name)
            for group in self.optimizer.param_groups:
                if name == "lr":
                    group["lr"] = group["lr"] * (now.lr / first.lr)
                else:
                    group[name] = tuple(value) if isinstance(value, list) else value

    def _adjust(self, now: OptimizerSpec, update: int) -> None:
        adjust = partial(now.adjust, self.optimizer, update, self.total_updates)
        if type(now).adjust is OptimizerSpec.adjust:
            adjust()
        else:
            attempt(now, "adjust()", adjust)

    def move(self, update: int) -> None:
        """Make update number ``update`` with the gradients that were gathered."""
        if self.spec.clip_value is not None:
            clip_grad_value_(self.moved, self.spec.clip_value)
        if self.spec.clip_norm is not None:
            clip_grad_norm_(self.moved, self.spec.clip_norm)
        if self.rates:
            now = self.rates[update % len(self.rates)]
            for group, value in zip(self.optimizer.param_groups, now, strict=True):
                group["lr"] = value
        elif not self.is_still:
            self.adjust(update)
        self.optimizer.step()
        for parameter in self.moved:  # ``zero_grad`` does this, and thirty times slower
            parameter.grad = None


class AdversarialStep:
    """The discriminator's updates, then the generator's (Goodfellow et al. 2014, algorithm 1).

    With ``step.first = 'generator'`` the other way round.
    """

    def __init__(
        self,
        recipe: Recipe,
        generator: Side,
        discriminator: Side,
        noise: Noise,
        cast: torch.dtype | None = None,
        *,
        own: Mapping[str, nn.Module] | None = None,
        steps: int = 1,
        group: Group | None = None,
    ) -> None:
        self.recipe = recipe
        self.group = group or Group()
        self.cut = cut_of(recipe, self.group)
        self.generator = generator
        self.discriminator = discriminator
        self.noise = noise
        self.game = Game(
            recipe,
            generator.network,
            discriminator.network,
            steps,
            own or {},
            cast,
            discriminator.optimizer,
        )
        self.ramps = Ramps(owners(recipe), steps)
        self.reads_step = False
        """Whether a term has asked which step it is."""
        self._trains_both = in_halves(recipe).generator_step_trains == "both"
        self._same_players: Players | None = None
        self._made_from: tuple[list[Tensor], RandomState] | None = None
        """What the discriminator's half made its fakes from, where the generator's sees them."""

    def __call__(
        self, step: int, next_batch: Callable[[int], Batch], *, observe: bool = False
    ) -> dict[str, Tensor]:
        """Make step number ``step`` (from 0); return its terms by name, scalars on the device.

        Args:
            next_batch: returns real batch number n of the run.
            observe: whether to add 'd/accuracy', the share of images that the discriminator told
                right, 'g/accuracy', the share of the generator's that it took for real, and what
                components remember ('s/').
        """
        self.noise.seed_globals(step)
        return self.update(step, self.inputs(step, next_batch), observe=observe)

    def inputs(self, step: int, next_batch: Callable[[int], Batch]) -> Inputs:
        """Return everything step number ``step`` starts from."""
        recipe = in_halves(self.recipe)
        numbers = [
            step * recipe.discriminator_updates + k for k in range(recipe.discriminator_updates)
        ]
        batches = [next_batch(number) for number in numbers]
        latents = [
            self._latents(self._fakes_in(batch), "latent", number)
            for number, batch in zip(numbers, batches, strict=True)
        ]
        redrawn = []
        if recipe.generator_noise == "fresh":
            beside = batches[self._beside]
            redrawn = [
                self._latents(self._fakes_in(beside), "generator latent", number)
                for number in self._generator_numbers(step)
            ]
        return Inputs(batches, latents, redrawn)

    def players(self, step: int, number: int) -> Players:
        """Return who is asked in update ``number`` of step ``step``, with the numbers of it."""
        if self._same_players is not None:
            return self._same_players
        own, at = self.game.own, self.ramps.at
        found = Players(
            Player(at(self.recipe.loss, step), own.get("loss")),
            [
                Player(at(spec, step), own.get(f"regularizer.{place}"))
                for place, spec in enumerate(self.recipe.regularizer)
                if number % spec.every == 0
            ],
            [
                Player(at(spec, step), own.get(f"view.{place}"))
                for place, spec in enumerate(self.recipe.view)
            ],
        )
        if not self.ramps.named and all(spec.every == 1 for spec in self.recipe.regularizer):
            self._same_players = found  # in every update: nothing of them moves or takes turns
        return found

    def update(self, step: int, inputs: Inputs, *, observe: bool) -> dict[str, Tensor]:
        """Make a step from its inputs; nothing else in it depends on its number but schedules.

        The two halves meet in one batch, the discriminator's last or, where the generator comes
        first, its first: with 'shared' noise its fakes are made once for both.
        """
        is_shared = self._is_shared
        met: dict[str, Tensor] | None = None
        if in_halves(self.recipe).first == "generator":
            terms, met = self._generator_half(step, inputs, None, observe)
            terms |= self._discriminator_half(step, inputs, met if is_shared else None, observe)[0]
        else:
            terms, met = self._discriminator_half(step, inputs, None, observe)
            terms |= self._generator_half(step, inputs, met, observe)[0]
        return terms | self._remembered() if observe else terms

    def _discriminator_half(
        self, step: int, inputs: Inputs, made: dict[str, Tensor] | None, observe: bool
    ) -> tuple[dict[str, Tensor], dict[str, Tensor] | None]:
        """Make the discriminator's updates; return their terms and the last one's fakes.

        Args:
            made: the fakes of the first one, where the generator has made them.
        """
        recipe = in_halves(self.recipe)
        terms: dict[str, Tensor] = {}
        leads_on = self._is_shared and recipe.first == "discriminator" and not self.waits(step)
        for k, (batch, latent) in enumerate(zip(inputs.batches, inputs.latents, strict=True)):
            number = step * recipe.discriminator_updates + k
            is_last = k == recipe.discriminator_updates - 1
            if self.cut.parts == 1 and (k > 0 or made is None):
                made = self._made(latent, batch.labels, graph=leads_on and is_last)
            terms |= self._half(
                "discriminator", step, number, batch, latent, made, observe and is_last
            )
        return terms, made

    def _generator_half(
        self, step: int, inputs: Inputs, made: dict[str, Tensor] | None, observe: bool
    ) -> tuple[dict[str, Tensor], dict[str, Tensor] | None]:
        """Make the generator's updates; return their terms and the last one's fakes.

        Args:
            made: the fakes of the first one, where the discriminator's are taken.
        """
        recipe = in_halves(self.recipe)
        terms: dict[str, Tensor] = {}
        batch, latent = inputs.batches[self._beside], inputs.latents[self._beside]
        is_cut = recipe.generator_noise == "detached"
        numbers = self._generator_numbers(step)
        for j, number in enumerate(numbers):
            if inputs.redrawn:
                latent = inputs.redrawn[j]
            if self.cut.parts > 1:
                made = None
            elif made is None or (not is_cut and (j > 0 or not self._is_shared)):
                made = self._made(latent, batch.labels, graph=not is_cut)
            if j > 0 and not is_cut:
                self._made_from = None  # later updates see fakes of their own
            is_last = j == len(numbers) - 1
            terms |= self._half("generator", step, number, batch, latent, made, observe and is_last)
        return terms, made

    def _remembered(self) -> dict[str, Tensor]:
        """Return the numbers that components remember and have logged, as they are now."""
        found: dict[str, Tensor] = {}
        for place, spec in owners(self.recipe).items():
            for name in spec.logged:
                key = f"s/{spec.use}.{name}"
                # A second component of that name is called by its place.
                key = f"s/{place}.{name}" if key in found else key
                found[key] = self.game.own[place].get_buffer(name).detach().clone()
        return found

    @property
    def sides(self) -> dict[str, Side]:
        """Both sides, by name."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    @property
    def _beside(self) -> int:
        """Which of the step's batches the generator's half looks at."""
        return 0 if in_halves(self.recipe).first == "generator" else -1

    @property
    def _is_shared(self) -> bool:
        # Every part of a batch makes its fakes anew: that is what saves memory.
        return in_halves(self.recipe).generator_noise == "shared" and self.cut.parts == 1

    def _half(
        self,
        role: Role,
        step: int,
        number: int,
        batch: Batch,
        latent: Tensor,
        made: dict[str, Tensor] | None,
        observe: bool,
    ) -> dict[str, Tensor]:
        """Take the gradients of one side and move it; ``made`` is None for a batch in parts."""
        is_discriminator = role == "discriminator"
        side = self.discriminator if is_discriminator else self.generator
        players = self.players(step, number)
        self._freeze_other(role, True)
        if made is None:
            named, context, has_gradient = self._in_parts(
                role, step, side, batch, latent, players, observe
            )
        else:
            leaf, context = self._leaf(role, step, batch, made, latent, players, 1, observe)
            named, has_gradient = leaf.terms, leaf.has_gradient
        if has_gradient:
            side.move(number)
        self._freeze_other(role, False)
        # Weight clipping and its like hold for the weights that the next half meets.
        if is_discriminator:
            self._after(context, players)
        return {f"{role[0]}/{name}": value for name, value in named.items()}

    def _leaf(
        self,
        role: Role,
        step: int,
        batch: Batch,
        made: Mapping[str, Tensor],
        latent: Tensor,
        players: Players,
        share: float,
        observe: bool,
        rows: Rows | None = None,
    ) -> tuple[Leaf, HalfStep]:
        """Take the gradients of one side on a batch, or on the ``share`` of it that is a part."""
        if role == "discriminator":
            # Detached even where the graph is kept: that is for the generator's half, which
            # continues it after this one.
            made = {name: value.detach() for name, value in made.items()}
        context = half_step(self.game, role, step, batch, made, latent, players, rows)
        terms = terms_of(context, players)
        self.reads_step |= context.reads_step
        loss = total(terms) if share == 1 else total(terms) * share
        # A generator's loss may have no gradient for a while, as BEGAN's or a warm-up's; a
        # discriminator's never may, and backward says so.
        has_gradient = role == "discriminator" or loss.requires_grad
        if has_gradient:
            loss.backward()  # type: ignore[no-untyped-call]
        if observe:
            terms = terms | self._watched(context)
        terms = {name: value.detach() for name, value in terms.items()}
        return Leaf(share, terms, [], has_gradient), context

    def _in_parts(
        self,
        role: Role,
        step: int,
        side: Side,
        batch: Batch,
        latent: Tensor,
        players: Players,
        observe: bool,
    ) -> tuple[dict[str, Tensor], HalfStep, bool]:
        """Gather the gradients of one side over the parts of a batch, those of other processes too.

        Returns:
            The terms, the last part's context with the logits of all, and whether there are
            gradients.
        """
        memory = self._memory()
        before, state = memory.now(), RandomState(self.noise.device)
        began = before, state
        is_cut = in_halves(self.recipe).generator_noise == "detached"
        if role == "discriminator":
            self._made_from = began
        elif self._made_from is not None and self._sees_the_same:
            began = self._made_from
        observed = [view for view in players.views if observes(view.spec)]
        sums = in_parts.branches(self.cut)
        leaves: list[Leaf] = []
        for rows, part, own_latent in parts_of(self.cut, batch, latent):
            memory.put_back(before)
            began[1].put_back()
            norm = WholeNorm(self.group, rows) if self.recipe.train.sync_norm else None
            with Part(rows, norm):
                if began[1] is not state:  # fakes as they were, to the last number drawn
                    memory.put_back(began[0], self.generator.network)
                graph = role == "generator" and not is_cut
                made = self._made(own_latent, part.labels, graph=graph)
                if began[1] is not state:
                    state.put_back()
                share = rows.count / rows.whole
                leaf, context = self._leaf(
                    role, step, part, made, own_latent, players, share, observe, rows
                )
                if observed and role == "discriminator":
                    leaf.logits = {"real": context.real_logits, "fake": context.fake_logits}
                    leaf.logits = {name: value.detach() for name, value in leaf.logits.items()}
            found = in_parts.taken(side.moved)
            leaf.present = [value is not None for value in found]
            leaf.buffers = memory.now()
            sums.put(found)
            leaves.append(leaf)
        first = [way == "first" for way in memory.ways]
        leaves = in_parts.everyones(self.group, leaves, self.cut, first, batch.size)
        memory.settle(before, leaves)
        present = [any(each) for each in zip(*(leaf.present for leaf in leaves), strict=True)]
        gradients = in_parts.reduced(self.group, sums, side.moved, present)
        for parameter, gradient in zip(side.moved, gradients, strict=True):
            parameter.grad = gradient
        vars(context).update(in_parts.logits_of(leaves))
        return in_parts.means(leaves), context, any(leaf.has_gradient for leaf in leaves)

    def _memory(self) -> Memory:
        """Return the buffers of all networks and components."""
        modules = {"generator": self.generator.network, "discriminator": self.discriminator.network}
        return Memory({**modules, **self.game.own}, owners(self.recipe))

    @property
    def _sees_the_same(self) -> bool:
        """Whether the generator's half looks at the fakes that the discriminator's has seen."""
        recipe = in_halves(self.recipe)
        return recipe.first == "discriminator" and recipe.generator_noise in {"shared", "detached"}

    def _after(self, context: HalfStep, players: Players) -> None:
        """Let constraints and views look at the discriminator that was just moved."""
        with torch.no_grad():
            for regularizer in players.regularizers:
                if type(regularizer.spec).constrain is not RegularizerSpec.constrain:
                    constrain = partial(regularizer.spec.constrain, self.discriminator.network)
                    attempt(regularizer.spec, "constrain()", constrain)
            for view in players.views:
                context.own = view.own
                attempt(view.spec, "observe()", partial(view.spec.observe, context))

    def _watched(self, context: HalfStep) -> dict[str, Tensor]:
        if context.role == "discriminator":
            return {"accuracy": accuracy(context)} if context.has_logits else {}
        if not context.has_fake_logits:
            return {}
        return {"accuracy": (context.fake_logits > 0).float().mean()}

    def waits(self, step: int) -> bool:
        """Return whether the discriminator is trained alone in step number ``step``."""
        return step < in_halves(self.recipe).generator_waits

    def _generator_numbers(self, step: int) -> list[int]:
        count = 0 if self.waits(step) else in_halves(self.recipe).generator_updates
        return [step * count + j for j in range(count)]

    def _fakes_in(self, batch: Batch) -> int:
        is_full = in_halves(self.recipe).fakes == "full"
        return self.recipe.train.batch_size if is_full else batch.size

    def _latents(self, count: int, stream: str, number: int) -> Tensor:
        drawn = self.noise.latents(self.recipe.latent, count, stream, number)
        return self.recipe.generator.latents(drawn)

    def _made(self, latent: Tensor, labels: Tensor | None, *, graph: bool) -> dict[str, Tensor]:
        if graph:
            return self.game.make(latent, labels)
        is_eval = in_halves(self.recipe).fakes_for_discriminator == "eval"
        if is_eval:
            self.generator.network.eval()
        # Without a graph: this half does not go back into the generator, whose activations need
        # not be kept.
        with torch.no_grad():
            made = self.game.make(latent, labels)
        if is_eval:
            self.generator.network.train()
        return made

    def _freeze_other(self, role: Role, frozen: bool) -> None:
        """Keep gradients from the side that is not moved now."""
        if role == "discriminator":
            others = self.generator.owned  # the network itself is cut off by detached fakes
        else:
            others = [] if self._trains_both else self.discriminator.moved
        for parameter in others:
            parameter.requires_grad_(not frozen)


def cut_of(recipe: Recipe, group: Group) -> Cut:
    """Return how the recipe's batches are cut among processes.

    Raises:
        GanzooError: if they do not come out even.
    """
    shards, accumulate = recipe.train.shards, recipe.step.accumulate
    parts = shards * accumulate
    if parts % group.count:
        times = f" and step.accumulate = {accumulate}" if accumulate > 1 else ""
        raise GanzooError(
            f"{group.count} processes cannot share the parts of a batch evenly with train.shards = "
            f"{shards}{times}; set train.shards = {group.count}, or a multiple of it"
        )
    # With norms over the whole batch a process sees its images in one piece.
    return Cut(group.count if recipe.train.sync_norm else parts, group.count, group.rank)


def parts_of(cut: Cut, batch: Batch, latent: Tensor) -> Iterator[tuple[Rows, Batch, Tensor]]:
    """Yield this process's parts of a batch, each with its place in the whole.

    Args:
        latent: those of the whole batch.
    """
    bounds = cut.bounds(batch.size)
    latents = torch.tensor_split(latent, len(bounds))
    own = slice(cut.own.start, cut.own.stop)
    first = bounds[own][0][0] if batch.whole else 0
    for (start, stop), own_latent in zip(bounds[own], latents[own], strict=True):
        # Parts may be unlike in size; each mean counts by its images, or the sum is no mean.
        part = batch.rows(slice(start - first, stop - first))
        yield Rows(start, stop - start, batch.size), part, own_latent


def observes(spec: ViewSpec) -> bool:
    """Return whether a view looks at the discriminator after its update."""
    return type(spec).observe is not ViewSpec.observe
