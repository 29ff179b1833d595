"""What a step promises: tried in steps of a very small run, between the kit's own networks."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ganzoo.plugin.specs import GeneratorSpec, OptimizerSpec, StepSpec
from ganzoo.plugin.types import ImageShape
from ganzoo.recipe.model import Latent, Recipe, Train
from ganzoo.testing.claims import Claim, cases_of, images
from ganzoo.testing.findings import Case, Note, Report
from ganzoo.testing.scene import (
    COUNT,
    LATENT,
    Descent,
    PlainDiscriminator,
    PlainGenerator,
    PlainLoss,
)
from ganzoo.training.feed import Batch
from ganzoo.training.own_guards import Watched
from ganzoo.training.own_step import OwnStep
from ganzoo.training.parts import Building, players_in, trainable
from ganzoo.training.randomness import Noise, observing
from ganzoo.training.step import Side

SHAPE = ImageShape(1, 8, 8, input_shape=(1, 8, 8))
STEPS = 1000
CPU = torch.device("cpu")


class PlainTranslator(GeneratorSpec):
    """A convolution."""

    use: ClassVar[str] = "plain_translator"
    translates: ClassVar[bool] = True

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:  # noqa: ARG002
        """Return the network."""
        return nn.Sequential(
            nn.Conv2d(image.input_shape[0], image.channels, 3, padding=1), nn.Tanh()
        )


class Trial:
    """A step's spec, and small runs of it."""

    def __init__(self, spec: StepSpec) -> None:
        self.spec = spec

    def run(self, accumulate: int = 1) -> OwnStep:
        """Return a run that has made no step."""
        step = self.spec.model_copy(update={"accumulate": accumulate})
        generator = PlainTranslator() if step.takes_inputs else PlainGenerator()
        recipe = Recipe.model_construct(  # type: ignore[call-arg]
            train=Train(steps=STEPS, batch_size=COUNT),
            latent=Latent(size=LATENT),
            generator=generator,
            discriminator=PlainDiscriminator(),
            loss=PlainLoss(),
            regularizer=[],
            view=[],
            step=step,
        )
        with observing():
            networks = step.networks(Building(recipe, SHAPE, CPU))
        players = players_in(recipe, networks)
        memory = {name: each.double() for name, each in networks.items() if name not in players}
        sides = {}
        for name, network in players.items():
            moved = trainable(network.double())
            moved += [each for other in step.moves_with(name) for each in trainable(players[other])]
            optimizer: Any = Descent(moved)
            count = step.updates(name)
            sides[name] = Side(network, optimizer, OptimizerSpec(), STEPS * count, moved, count)
        return OwnStep(recipe, sides, DoubleNoise(0, CPU), memory=memory, steps=STEPS)

    def go(self, by: OwnStep, first: int, steps: int) -> None:
        """Make some steps."""
        for number in range(first, first + steps):
            by(number, batch)


class DoubleNoise(Noise):
    """Noise in float64, in which parts of a batch add up to the whole."""

    def latents(self, *args: Any, **kwargs: Any) -> Tensor:
        """Draw latents."""
        return super().latents(*args, **kwargs).double()


def batch(number: int) -> Batch:
    """Return a batch with something beside each image."""
    found = Batch(images(SHAPE, COUNT, number), None, images(SHAPE, COUNT, 1000 + number))
    return found.each(Tensor.double)


def state_of(by: OwnStep) -> dict[str, dict[str, Tensor]]:
    """Return everything that a checkpoint would hold."""
    return {name: copy.deepcopy(each.state_dict()) for name, each in by.networks.items()}


def unlike(one: OwnStep, other: OwnStep, most: float = 0.0) -> list[str]:
    """Return the tensors that differ."""
    found, there = state_of(one), state_of(other)
    return [
        f"{name}.{key}"
        for name, tensors in found.items()
        for key, value in tensors.items()
        if float((value.double() - there[name][key].double()).abs().max()) > most
    ]


def check(spec: StepSpec) -> Report:
    """Try all that a step promises."""
    return Report.of(cases(spec))


def cases(spec: StepSpec) -> list[Case]:
    """Return the checks one by one."""
    return cases_of(spec, CLAIMS, lambda: Trial(spec))


def terms_are_finite_and_named(trial: Trial) -> Iterator[str]:
    by = trial.run()
    found = by(trial.spec.waits(), batch)
    if not found:
        yield "update() returned no terms"
    for name, value in found.items():
        if not bool(torch.isfinite(value)):
            yield f"term {name!r} is {float(value)}"


def every_player_is_moved_by_gradients_that_reach_it(trial: Trial) -> Iterator[str]:
    by = trial.run()
    play = Watched(by, trial.spec.waits(), by.inputs(trial.spec.waits(), batch), False)
    trial.spec.update(play)
    for name in by.sides:
        if not play.moves.get(name):
            yield f"update() never moves the player {name!r}"
        elif name not in play.reached:
            yield f"no gradient reaches the player {name!r}, which update() moves"
        elif play.moves[name] != trial.spec.updates(name):
            yield (
                f"update() moves {name!r} {play.moves[name]} times, and updates({name!r}) says "
                f"{trial.spec.updates(name)}: schedules would end elsewhere"
            )


def goes_on_exactly_from_a_checkpoint(trial: Trial) -> Iterator[str]:
    one = trial.run()
    trial.go(one, 0, 3)
    kept = state_of(one)
    trial.go(one, 3, 3)
    other = trial.run()
    for name, network in other.networks.items():
        network.load_state_dict(kept[name])
    trial.go(other, 3, 3)
    if found := unlike(one, other):
        yield (
            f"three steps after a checkpoint end elsewhere than without one ({found[0]}): keep "
            "what is remembered in buffers of a module that networks() returns"
        )


def same_start_same_end(trial: Trial) -> Iterator[str]:
    runs = [trial.run(), trial.run()]
    for by in runs:
        trial.go(by, 0, 3)
    if found := unlike(runs[0], runs[1]):
        yield (
            f"two runs from one start end in different places ({found[0]}): draw from torch's "
            "global generator inside terms, and from play.uniform() outside"
        )


def parts_of_a_batch_add_up(trial: Trial) -> Iterator[str]:
    runs = [trial.run(1), trial.run(2)]
    for by in runs:
        trial.go(by, 0, 3)
    if found := unlike(runs[0], runs[1], most=1e-9):
        yield Note(
            f"a batch in two parts ends elsewhere than in one ({found[0]}): several processes "
            "and step.accumulate will not repeat a run in one piece"
        )


CLAIMS: tuple[Claim[Trial], ...] = (
    terms_are_finite_and_named,
    every_player_is_moved_by_gradients_that_reach_it,
    goes_on_exactly_from_a_checkpoint,
    same_start_same_end,
    parts_of_a_batch_add_up,
)
