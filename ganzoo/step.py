"""One adversarial update: the only place where gradients are taken and weights are moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import Optimizer

from ganzoo.errors import GanzooError
from ganzoo.noise import Noise
from ganzoo.precision import called
from ganzoo.recipe import Recipe
from ganzoo.schedule import rate
from ganzoo.specs import OptimizerSpec, RegularizerSpec, Role
from ganzoo.views import viewed, viewed_labels


class Batch(NamedTuple):
    """Real images ``[N, C, H, W]`` in the recipe's range, and their labels ``[N]`` or None."""

    images: Tensor
    labels: Tensor | None


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


class HalfStep:
    """One side's view of a step; see ``ganzoo.api.Context``. Logits are computed on first use."""

    def __init__(
        self,
        role: Role,
        step: int,
        discriminator: nn.Module,
        batch: Batch,
        fake: Tensor,
        latent: Tensor,
        *,
        uses_labels: bool = False,
        joint: bool = False,
        needs: frozenset[str] = frozenset(),
        cast: torch.dtype | None = None,
    ) -> None:
        self.role: Role = role
        self._step = step
        self.reads_step = False
        self._cast = cast
        self.latent = latent
        self.real_labels = self.fake_labels = batch.labels
        self.real = batch.images
        self.fake = fake
        if "real_gradient" in needs:
            self.real = self.real.detach().requires_grad_()
        if "fake_gradient" in needs and not fake.requires_grad:
            self.fake = fake.detach().requires_grad_()
        self._discriminator = discriminator
        self._uses_labels = uses_labels
        self._joint = joint and role == "discriminator"

    @property
    def step(self) -> int:
        """Steps finished before this one."""
        self.reads_step = True
        return self._step

    @cached_property
    def real_logits(self) -> Tensor:
        """Scores of the real images, ``[N]``."""
        if self._joint:
            return self._both_logits[: len(self.real)]
        return self.critic(self.real, self.real_labels)

    @cached_property
    def fake_logits(self) -> Tensor:
        """Scores of the fakes, ``[N]``."""
        if self._joint:
            return self._both_logits[len(self.real) :]
        return self.critic(self.fake, self.fake_labels)

    @cached_property
    def _both_logits(self) -> Tensor:
        labels = self.real_labels
        both = labels if labels is None else torch.cat([labels, labels])
        return self.critic(torch.cat([self.real, self.fake]), both)

    @property
    def has_logits(self) -> bool:
        """Whether both kinds of images have been scored; looking must not score them anew."""
        return {"real_logits", "fake_logits"} <= self.__dict__.keys()

    @property
    def has_fake_logits(self) -> bool:
        """Whether the fakes have been scored."""
        return "fake_logits" in self.__dict__

    def critic(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Score ``[N, C, H, W]`` images: ``[N]``."""
        inputs = (images, labels) if self._uses_labels else (images,)
        return called(self._discriminator, inputs, self._cast)

    def image_gradient(self, which: Literal["real", "fake"]) -> Tensor:
        """Gradient of the summed logits at the images, ``[N, C, H, W]``, differentiable again."""
        images, logits = (
            (self.real, self.real_logits) if which == "real" else (self.fake, self.fake_logits)
        )
        if not images.requires_grad:
            raise GanzooError(
                f"a term asks for the gradient at the {which} images without saying so; "
                f"add '{which}_gradient' to its 'needs'"
            )
        (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        return gradient

    def uniform(self, *shape: int) -> Tensor:
        """Draw numbers in [0, 1); the global generator is seeded for every step."""
        return torch.rand(shape, device=self.real.device)


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


def half_step(
    recipe: Recipe,
    role: Role,
    step: int,
    discriminator: nn.Module,
    batch: Batch,
    fake: Tensor,
    latent: Tensor,
    active: list[RegularizerSpec],
    *,
    cast: torch.dtype | None = None,
) -> HalfStep:
    """Return one side's context, views applied, with what the active regularizers need in it."""
    if recipe.view:
        images = viewed(recipe.view, batch.images, "real")
        batch = Batch(images, viewed_labels(recipe.view, batch.labels))
        fake = viewed(recipe.view, fake, "fake")
    needs = frozenset[str]().union(*(item.needs for item in active))
    return HalfStep(
        role,
        step,
        discriminator,
        batch,
        fake,
        latent,
        uses_labels=recipe.discriminator.uses_labels,
        joint=recipe.step.batching == "joint",
        needs=needs if role == "discriminator" else frozenset(),
        cast=cast,
    )


def terms_of(recipe: Recipe, context: HalfStep, active: list[RegularizerSpec]) -> dict[str, Tensor]:
    """Return every term of one half by name: the loss's, then the active regularizers'.

    Raises:
        GanzooError: if two components name a term alike, or a term is no scalar tensor.
    """
    method = f"{context.role}_terms"
    terms: dict[str, Tensor] = {}
    for source in (recipe.loss, *active):
        own: Mapping[str, Tensor] = getattr(source, method)(context)
        for name, value in own.items():
            if name in terms:
                raise GanzooError(
                    f"{source.kind} {source.use!r}: a term named {name!r} exists twice"
                )
            if not isinstance(value, Tensor) or value.ndim != 0:
                found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise GanzooError(
                    f"{source.kind} {source.use!r}: term {name!r} must be a scalar tensor, "
                    f"found {found}; take the mean over the batch"
                )
            every = source.every if isinstance(source, RegularizerSpec) else 1
            terms[name] = value * every if every > 1 else value
    return terms


def total(terms: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of the terms: what one side minimises."""
    values = iter(terms.values())
    loss = next(values)
    for value in values:
        loss = loss + value
    return loss


@torch.no_grad()
def accuracy(context: HalfStep) -> Tensor:
    """Return the share of images on the right side of logit 0, real and fake together."""
    right = (context.real_logits > 0).sum() + (context.fake_logits < 0).sum()
    return right / (len(context.real_logits) + len(context.fake_logits))
