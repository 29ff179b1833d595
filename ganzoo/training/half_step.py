"""One side's half of a step: what it sees, and the terms it minimises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.specs import RegularizerSpec, ViewSpec
from ganzoo.plugin.types import ImageShape, Role
from ganzoo.recipe.model import Recipe
from ganzoo.training.feed import Batch
from ganzoo.training.precision import called


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
        # Before any logits: only what asks for a gradient when it is scored has one afterwards.
        if "real_gradient" in needs:
            self.real = self.real.detach().requires_grad_()
        if "fake_gradient" in needs and not fake.requires_grad:
            self.fake = fake.detach().requires_grad_()
        self._discriminator = discriminator
        self._uses_labels = uses_labels
        # One pass or two differ where batch norm mixes images; the generator scores fakes alone.
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
            return self._both_logits[0]
        return self.critic(self.real, self.real_labels)

    @cached_property
    def fake_logits(self) -> Tensor:
        """Scores of the fakes, ``[N]``."""
        if self._joint:
            return self._both_logits[1]
        return self.critic(self.fake, self.fake_labels)

    @cached_property
    def _both_logits(self) -> tuple[Tensor, ...]:
        labels = self.real_labels
        both = labels if labels is None else torch.cat([labels, labels])
        logits = self.critic(torch.cat([self.real, self.fake]), both)
        return torch.split(logits, [len(self.real), len(self.fake)])

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
            # Lazy regularization (Karras et al. 2020, arXiv:1912.04958, appendix B): taken in every
            # k-th update and k times as strong. A product with 1 would cost a launch.
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


def viewed(views: Sequence[ViewSpec], images: Tensor, which: Literal["real", "fake"]) -> Tensor:
    """Return what is seen of ``images``; without views, the images themselves."""
    for view in views:
        images = view.apply(images, which)
    return images


def viewed_labels(views: Sequence[ViewSpec], labels: Tensor | None) -> Tensor | None:
    """Return the labels of what is seen: none where images no longer have one each."""
    return labels if all(view.keeps_labels for view in views) else None


def seen_shape(views: Sequence[ViewSpec], image: ImageShape) -> ImageShape:
    """Return the shape and range of what the discriminator sees.

    Raises:
        GanzooError: if a view cannot be applied to such images.
    """
    for view in views:
        image = view.shape(image)
    return image
