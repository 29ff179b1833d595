"""One side's half of a step: what it sees, and the terms it minimises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.specs import LossSpec, OwnerSpec, RegularizerSpec, ViewSpec
from ganzoo.plugin.types import Halves, ImageShape, Role
from ganzoo.recipe.model import Recipe
from ganzoo.training.drawing import Rows
from ganzoo.training.feed import Batch
from ganzoo.training.precision import outputs

S = TypeVar("S", bound=OwnerSpec, covariant=True)


@dataclass(frozen=True)
class Player(Generic[S]):
    """A component that plays: its spec, with the numbers of this step, and its own module."""

    spec: S
    own: nn.Module | None = None


class Players(NamedTuple):
    """The components that are asked in a step, in their order."""

    loss: Player[LossSpec]
    regularizers: Sequence[Player[RegularizerSpec]] = ()
    views: Sequence[Player[ViewSpec]] = ()


@dataclass(frozen=True)
class Game:
    """What all steps of a run share."""

    recipe: Recipe
    generator: nn.Module
    discriminator: nn.Module
    steps: int = 0
    """Length of the run."""
    own: Mapping[str, nn.Module] = field(default_factory=dict)
    """Modules of components, by their places: 'loss', 'regularizer.0', 'view.1'."""
    cast: torch.dtype | None = None
    discriminator_optimizer: Optimizer | None = None

    def make(self, latent: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
        """Return what the generator makes: 'images' ``[N, C, H, W]`` and its extras."""
        inputs = (latent, labels) if self.recipe.generator.uses_labels else (latent,)
        return outputs(self.generator, inputs, "images", self.cast)


def owners(recipe: Recipe) -> dict[str, OwnerSpec]:
    """Return the components that may own a module, by their places in the recipe."""
    found: dict[str, OwnerSpec] = {"loss": recipe.loss}
    found |= {f"regularizer.{number}": spec for number, spec in enumerate(recipe.regularizer)}
    return found | {f"view.{number}": spec for number, spec in enumerate(recipe.view)}


def in_halves(recipe: Recipe) -> Halves:
    """Return the settings of a recipe whose step is made of two halves.

    Raises:
        GanzooError: if its step has none.
    """
    found = recipe.step.halves()
    if found is None:
        raise GanzooError(
            f"step {recipe.step.use!r} has no halves(), which says how a step in two halves is "
            "made; derive it from AdversarialSpec"
        )
    return found


class HalfStep:
    """One side's view of a step; see ``ganzoo.api.Context``. Logits are computed on first use."""

    def __init__(
        self,
        game: Game,
        role: Role,
        step: int,
        batch: Batch,
        made: Mapping[str, Tensor],
        latent: Tensor,
        *,
        views: Sequence[Player[ViewSpec]] = (),
        needs: frozenset[str] = frozenset(),
        rows: Rows | None = None,
    ) -> None:
        self._game = game
        self._rows = rows
        self.role: Role = role
        self._step = step
        self.reads_step = False
        self.own: Any = None
        self.latent = latent
        self.inputs = batch.inputs
        # Fakes are made for the labels of the real batch: both kinds are of the same classes, and
        # the discriminator cannot tell them apart by the classes alone.
        self.real_labels = self.fake_labels = viewed_labels([v.spec for v in views], batch.labels)
        self.made = made
        plain_real, plain_fake = batch.images, made["images"]
        # Leaves of their own: a penalty differentiates at the images and not at what made them.
        if "real_gradient" in needs:
            plain_real = plain_real.detach().requires_grad_()
        if "fake_gradient" in needs and not plain_fake.requires_grad:
            plain_fake = plain_fake.detach().requires_grad_()
        self._plain = {"real": plain_real, "fake": plain_fake}
        # A pack is judged as one thing, and its slope is that of the pack.
        self._keeps_images = all(view.spec.keeps_labels for view in views)
        self._views = views
        self.real = apply_views(views, plain_real, "real")
        self.fake = apply_views(views, plain_fake, "fake")

    @property
    def step(self) -> int:
        """Steps finished before this one."""
        # A captured CUDA graph would replay the number it was captured with: it has to know.
        self.reads_step = True
        return self._step

    @property
    def steps(self) -> int:
        """Length of the run."""
        return self._game.steps

    @property
    def generator(self) -> nn.Module:
        """The generator, to read and to call."""
        return self._game.generator

    @property
    def discriminator(self) -> nn.Module:
        """The discriminator, to read and to call."""
        return self._game.discriminator

    @property
    def discriminator_optimizer(self) -> Optimizer | None:
        """What moves the discriminator, to read."""
        return self._game.discriminator_optimizer

    @cached_property
    def real_out(self) -> Mapping[str, Tensor]:
        """What the discriminator says of the real images."""
        if self._is_joint:
            return self._both_out[0]
        return self.outputs(self.real, self.real_labels)

    @cached_property
    def fake_out(self) -> Mapping[str, Tensor]:
        """What the discriminator says of the fakes."""
        if self._is_joint:
            return self._both_out[1]
        return self.outputs(self.fake, self.fake_labels)

    @property
    def real_logits(self) -> Tensor:
        """Scores of the real images, ``[N]``."""
        return self.real_out["logits"]

    @property
    def fake_logits(self) -> Tensor:
        """Scores of the fakes, ``[N]``."""
        return self.fake_out["logits"]

    @property
    def _is_joint(self) -> bool:
        halves = self._game.recipe.step.halves()
        is_joint = halves is not None and halves.batching == "joint"
        return self.role == "discriminator" and is_joint

    @cached_property
    def _both_out(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        # One pass over both kinds: batch norm takes its statistics from the mixture.
        labels = self.real_labels
        both = labels if labels is None else torch.cat([labels, labels])
        found = self._outputs(torch.cat([self.real, self.fake]), both, kinds=2)
        sizes = [len(self.real), len(self.fake)]
        for name, value in found.items():
            if value.ndim == 0 or len(value) != sum(sizes):
                raise GanzooError(
                    f"discriminator {self._game.recipe.discriminator.use!r} returned {name!r} as "
                    f"{tuple(value.shape)} for {sum(sizes)} images; step.batching = 'joint' needs "
                    "one entry an image, as the first dimension"
                )
        halves = {name: torch.split(value, sizes) for name, value in found.items()}
        return (
            {name: pair[0] for name, pair in halves.items()},
            {name: pair[1] for name, pair in halves.items()},
        )

    @property
    def has_logits(self) -> bool:
        """Whether both kinds of images have been scored; looking must not score them anew."""
        return {"real_out", "fake_out"} <= self.__dict__.keys()

    @property
    def has_fake_logits(self) -> bool:
        """Whether the fakes have been scored."""
        return "fake_out" in self.__dict__

    def critic(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Score ``[N, C, H, W]`` images: ``[N]``."""
        return self.outputs(images, labels)["logits"]

    def outputs(self, images: Tensor, labels: Tensor | None = None) -> Mapping[str, Tensor]:
        """Return everything the discriminator says of ``[N, C, H, W]`` images, by name."""
        return self._outputs(images, labels, kinds=1)

    def _outputs(self, images: Tensor, labels: Tensor | None, kinds: int) -> dict[str, Tensor]:
        if self._rows is None:
            return self._asked(images, labels)
        with self._rows.shown(len(images), kinds):
            return self._asked(images, labels)

    def _asked(self, images: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
        inputs = (images, labels) if self._game.recipe.discriminator.uses_labels else (images,)
        return outputs(self._game.discriminator, inputs, "logits", self._game.cast)

    def view(self, images: Tensor, which: Literal["real", "fake"]) -> Tensor:
        """Return what the views show of other ``[N, C, H, W]`` images."""
        return apply_views(self._views, images, which)

    def image_gradient(
        self, which: Literal["real", "fake"], at: Literal["images", "view"] = "images"
    ) -> Tensor:
        """Gradient of the summed logits at the images, ``[N, C, H, W]``, differentiable again."""
        shown, logits = (
            (self.real, self.real_logits) if which == "real" else (self.fake, self.fake_logits)
        )
        images = self._plain[which] if at == "images" and self._keeps_images else shown
        if not images.requires_grad:
            raise GanzooError(
                f"a term asks for the gradient at the {which} images without saying so; "
                f"add '{which}_gradient' to its 'needs'"
            )
        gradient = None
        if logits.requires_grad:
            # An image's logit depends on that image alone, so that one pass over the sum gives
            # every image its own gradient. Batch norm couples images: the penalties warn of it.
            (gradient,) = torch.autograd.grad(
                logits.sum(), images, create_graph=True, allow_unused=True
            )
        if gradient is None:
            raise GanzooError(
                f"no gradient reaches the {which} images through the recipe's views, which are not "
                "differentiable there, or through the discriminator; leave such a view out"
            )
        return gradient

    def uniform(self, *shape: int) -> Tensor:
        """Draw numbers in [0, 1); the global generator is seeded for every step."""
        return torch.rand(shape, device=self.real.device)


def half_step(
    game: Game,
    role: Role,
    step: int,
    batch: Batch,
    made: Mapping[str, Tensor],
    latent: Tensor,
    players: Players,
    rows: Rows | None = None,
) -> HalfStep:
    """Return one side's context, views applied, with what the players need in it.

    Args:
        rows: which of a whole batch the images are, where they are a part.
    """
    needs = frozenset[str]().union(*(player.spec.needs for player in players.regularizers))
    return HalfStep(
        game,
        role,
        step,
        batch,
        made,
        latent,
        views=players.views,
        needs=needs if role == "discriminator" else frozenset(),
        rows=rows,
    )


def terms_of(context: HalfStep, players: Players) -> dict[str, Tensor]:
    """Return every term of one half by name: the loss's, then the active regularizers'.

    Raises:
        GanzooError: if two components name a term alike, or a term is no scalar tensor.
    """
    method = f"{context.role}_terms"
    terms: dict[str, Tensor] = {}
    asked: list[Player[OwnerSpec]] = [players.loss, *players.regularizers]
    for player in asked:
        source = player.spec
        context.own = player.own
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
            # Lazy regularization: due in every n-th update, it counts n times (Karras et al. 2020,
            # "Analyzing and improving the image quality of StyleGAN", section 3.1).
            every = source.every if isinstance(source, RegularizerSpec) else 1
            terms[name] = value * every if every > 1 else value
    return terms


def total(terms: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of the terms: what one side minimises."""
    # Not ``sum``, which begins with 0: one more operation for every step to differentiate.
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


def apply_views(
    views: Sequence[Player[ViewSpec]], images: Tensor, which: Literal["real", "fake"]
) -> Tensor:
    """Return what is seen of ``images``; without views, the images themselves."""
    for view in views:
        # A view without a module need not know of one: its method takes two arguments.
        apply: Any = view.spec.apply
        images = apply(images, which) if view.own is None else apply(images, which, view.own)
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
