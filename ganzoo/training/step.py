"""One adversarial update: the only place where gradients are taken and weights are moved."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import Optimizer

from ganzoo.plugin.specs import OptimizerSpec
from ganzoo.recipe.model import Recipe
from ganzoo.training.feed import Batch
from ganzoo.training.half_step import accuracy, half_step, terms_of, total
from ganzoo.training.precision import called
from ganzoo.training.randomness import Noise


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


@dataclass
class Side:
    """One network with the optimizer that moves it."""

    network: nn.Module
    optimizer: Optimizer
    spec: OptimizerSpec
    total_updates: int
    moved: list[nn.Parameter]
    rates: list[Tensor] = field(default_factory=list)
    """Where a captured step reads the learning rates of its updates; empty otherwise."""

    def rate(self, update: int) -> float:
        """Return the learning rate of update number ``update``."""
        factor = rate(self.spec.schedule, self.spec.decay, update, self.total_updates)
        return self.spec.lr * factor

    def move(self, loss: Tensor, update: int) -> None:
        """Take the gradient of ``loss`` and make update number ``update``."""
        loss.backward()  # type: ignore[no-untyped-call]
        if self.spec.clip_value is not None:
            clip_grad_value_(self.moved, self.spec.clip_value)
        if self.spec.clip_norm is not None:
            clip_grad_norm_(self.moved, self.spec.clip_norm)
        if self.spec.schedule != "constant":
            now = self.rates[update % len(self.rates)] if self.rates else self.rate(update)
            for group in self.optimizer.param_groups:
                group["lr"] = now
        self.optimizer.step()
        for parameter in self.moved:  # ``zero_grad`` does this, and thirty times slower
            parameter.grad = None


class AdversarialStep:
    """The discriminator's updates, then the generator's (Goodfellow et al. 2014, algorithm 1)."""

    def __init__(
        self,
        recipe: Recipe,
        generator: Side,
        discriminator: Side,
        noise: Noise,
        cast: torch.dtype | None = None,
    ) -> None:
        self.recipe = recipe
        self.generator = generator
        self.discriminator = discriminator
        self.noise = noise
        self.cast = cast
        self.reads_step = False
        """Whether a term has asked which step it is."""
        self._trains_both = recipe.step.generator_step_trains == "both"

    def __call__(
        self, step: int, next_batch: Callable[[int], Batch], *, observe: bool = False
    ) -> dict[str, Tensor]:
        """Make step number ``step`` (from 0); return its terms by name, scalars on the device.

        Args:
            next_batch: returns real batch number n of the run.
            observe: whether to add 'd/accuracy', the share of images that the discriminator told
                right, and 'g/accuracy', the share of the generator's that it took for real.
        """
        self.noise.seed_globals(step)
        return self.update(step, self.inputs(step, next_batch), observe=observe)

    def inputs(self, step: int, next_batch: Callable[[int], Batch]) -> Inputs:
        """Return everything step number ``step`` starts from."""
        recipe = self.recipe.step
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
            redrawn = [
                self._latents(self._fakes_in(batches[-1]), "generator latent", number)
                for number in self._generator_numbers(step)
            ]
        return Inputs(batches, latents, redrawn)

    def update(self, step: int, inputs: Inputs, *, observe: bool) -> dict[str, Tensor]:
        """Make a step from its inputs; nothing else in it depends on its number but schedules."""
        recipe = self.recipe.step
        terms: dict[str, Tensor] = {}
        for k, (batch, latent) in enumerate(zip(inputs.batches, inputs.latents, strict=True)):
            number = step * recipe.discriminator_updates + k
            is_last = k == recipe.discriminator_updates - 1
            keep_graph = recipe.generator_noise == "shared" and is_last
            fake = self._fakes(latent, batch.labels, graph=keep_graph)
            terms |= self._discriminator_half(
                step, number, batch, latent, fake, observe and is_last
            )
        for j, number in enumerate(self._generator_numbers(step)):
            if inputs.redrawn:
                latent = inputs.redrawn[j]
            is_used_up = j > 0 and recipe.generator_noise == "shared"
            if is_used_up or recipe.generator_noise in {"same", "fresh"}:
                fake = self.generate(latent, batch.labels)
            is_last = j == recipe.generator_updates - 1
            terms |= self._generator_half(step, number, batch, latent, fake, observe and is_last)
        return terms

    def _generator_numbers(self, step: int) -> list[int]:
        count = self.recipe.step.generator_updates
        return [step * count + j for j in range(count)]

    def generate(self, latent: Tensor, labels: Tensor | None) -> Tensor:
        """Return fakes ``[N, C, H, W]`` with their graph."""
        inputs = (latent, labels) if self.recipe.generator.uses_labels else (latent,)
        return called(self.generator.network, inputs, self.cast)

    def _fakes_in(self, batch: Batch) -> int:
        is_full = self.recipe.step.fakes == "full"
        return self.recipe.train.batch_size if is_full else len(batch.images)

    def _latents(self, count: int, stream: str, number: int) -> Tensor:
        return self.noise.latents(self.recipe.latent, count, stream, number)

    def _fakes(self, latent: Tensor, labels: Tensor | None, *, graph: bool) -> Tensor:
        if graph:
            return self.generate(latent, labels)
        is_eval = self.recipe.step.fakes_for_discriminator == "eval"
        if is_eval:
            self.generator.network.eval()
        with torch.no_grad():
            fake = self.generate(latent, labels)
        if is_eval:
            self.generator.network.train()
        return fake

    def _discriminator_half(
        self, step: int, number: int, batch: Batch, latent: Tensor, fake: Tensor, observe: bool
    ) -> dict[str, Tensor]:
        active = [item for item in self.recipe.regularizer if number % item.every == 0]
        context = half_step(
            self.recipe, "discriminator", step, self.discriminator.network, batch, fake.detach(),
            latent, active, cast=self.cast,
        )  # fmt: skip
        terms = terms_of(self.recipe, context, active)
        self.reads_step |= context.reads_step
        self.discriminator.move(total(terms), number)
        with torch.no_grad():
            for item in active:
                item.constrain(self.discriminator.network)
        named = {f"d/{name}": value.detach() for name, value in terms.items()}
        if observe and context.has_logits:
            named["d/accuracy"] = accuracy(context)
        return named

    def _generator_half(
        self, step: int, number: int, batch: Batch, latent: Tensor, fake: Tensor, observe: bool
    ) -> dict[str, Tensor]:
        active = [item for item in self.recipe.regularizer if number % item.every == 0]
        if not self._trains_both:
            self._freeze_discriminator(True)
        context = half_step(
            self.recipe, "generator", step, self.discriminator.network, batch, fake, latent,
            active, cast=self.cast,
        )  # fmt: skip
        terms = terms_of(self.recipe, context, active)
        self.reads_step |= context.reads_step
        loss = total(terms)
        if loss.requires_grad:
            self.generator.move(loss, number)
        if not self._trains_both:
            self._freeze_discriminator(False)
        named = {f"g/{name}": value.detach() for name, value in terms.items()}
        if observe and context.has_fake_logits:
            named["g/accuracy"] = (context.fake_logits > 0).float().mean()
        return named

    def _freeze_discriminator(self, frozen: bool) -> None:
        for parameter in self.discriminator.moved:
            parameter.requires_grad_(not frozen)


def rate(schedule: str, decay: float, update: int, total: int) -> float:
    """Return the factor on the learning rate at ``update`` (from 0) of ``total``.

    'linear' and 'cosine' fall from 1 to 0 at the end of the run; 'inverse_time' is
    1 / (1 + decay · update), what Keras' optimizers called ``decay``.
    """
    if schedule == "linear":
        return max(0.0, 1 - update / total)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, update / total)))
    if schedule == "inverse_time":
        return 1 / (1 + decay * update)
    return 1.0
