"""What is tried before step 1 of a step that a plugin makes, on copies of everything it plays with.

One step is made of a few images: every player must be moved by gradients that reach it, every term
be a finite number, and what the run's generators make be images as the data has them.
"""

from __future__ import annotations

import copy

import torch

from ganzoo.plugin.attempt import attempt
from ganzoo.training.feed import Batch
from ganzoo.training.guards import PROBE_IMAGES, wrong_images, wrong_output, wrong_range
from ganzoo.training.own_step import OwnStep, Played
from ganzoo.training.parts import Parts
from ganzoo.training.precision import named
from ganzoo.training.randomness import observing
from ganzoo.training.step import Inputs
from ganzoo.training.together import Group


def problems_of(parts: Parts) -> list[str]:
    """Return what is wrong with one step of few images.

    Raises:
        GanzooError: if a component fails outright.
    """
    recipe = parts.recipe
    with observing(*parts.networks.values()):
        torch.manual_seed(0)
        count = min(PROBE_IMAGES, recipe.train.batch_size)
        one = alone(parts)
        inputs = one.inputs(0, lambda number: first(parts, number, count))
        problems = wrong_range(recipe, parts.shape) + wrongly_made(one, inputs, parts)
        if problems:
            return problems
        # A generator that waits is tried when it no longer does.
        play = Watched(one, recipe.step.waits(), inputs, False)
        found = attempt(recipe.step, "update()", lambda: recipe.step.update(play))
        who = f"step {recipe.step.use!r}"
        problems += [
            f"{who}: term {name!r} is {float(value)} on the first batch"
            for name, value in found.items()
            if not bool(torch.isfinite(value))
        ]
        for name in one.sides:
            if not play.moves.get(name):
                problems.append(f"{who} never moves its player {name!r}")
            elif name not in play.reached:
                problems.append(
                    f"{who} moves its player {name!r} by no gradient, so it trains nothing: a "
                    "tensor was detached on the way, or other terms were gathered for it"
                )
    return problems


class Watched(Played):
    """A step that notices whose weights are reached by gradients."""

    def __init__(self, by: OwnStep, step: int, inputs: Inputs, observe: bool) -> None:
        super().__init__(by, step, inputs, observe)
        self.reached: set[str] = set()

    def move(self, *players: str) -> None:
        """Move each by its optimizer."""
        for name in players:
            network = self._side(name).network
            if any(item.grad is not None for item in network.parameters()):
                self.reached.add(name)
        super().move(*players)

    def halves(self) -> dict[str, torch.Tensor]:
        """Make a step in two halves."""
        found = super().halves()
        self.reached |= set(self.moves)
        return found


def alone(parts: Parts) -> OwnStep:
    """Return a step of the same kind between copies of all that plays."""
    recipe = parts.recipe
    # At once, so that a copied optimizer moves copied weights.
    sides, memory, own = copy.deepcopy((dict(parts.sides), dict(parts.memory), dict(parts.own)))
    train = recipe.train.model_copy(update={"shards": 1, "sync_norm": False})
    step = recipe.step.model_copy(update={"accumulate": 1})
    whole = recipe.model_copy(update={"train": train, "step": step})
    for each in (*(side.network for side in sides.values()), *memory.values(), *own.values()):
        each.train()
    return OwnStep(
        whole, sides, parts.noise, memory=memory, own=own, steps=parts.steps, group=Group()
    )


def first(parts: Parts, number: int, count: int) -> Batch:
    """Return the first images of a batch."""
    return parts.feed(number).rows(slice(count))


def wrongly_made(step: OwnStep, inputs: Inputs, parts: Parts) -> list[str]:
    """Return what is wrong with the images of the run's generator."""
    spec, batch, latent = parts.recipe.generator, inputs.batches[0], inputs.latents[0]
    given = batch.inputs if spec.translates else latent
    asked = (given, batch.labels) if spec.uses_labels else (given,)
    network = step.sides[parts.made_by].network
    made = attempt(spec, "making images", lambda: network(*asked))
    problems = wrong_output(spec, made, "images")
    if problems:
        return problems
    return wrong_images(spec, named(made, "images")["images"], len(latent), parts.shape)
