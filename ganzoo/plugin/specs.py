"""What a component is: a pydantic spec per kind, with a ``build()``. No torch at run time.

A spec is one table of a recipe. Its fields are the keys of that table, the line of text under a
field is the key's help, and the class attribute ``use`` is the name by which recipes choose it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from ganzoo.common.data_root import DataRoot
from ganzoo.common.errors import DataError
from ganzoo.plugin.ramps import MovingNonNegative, MovingRate, rate
from ganzoo.plugin.table import Table
from ganzoo.plugin.types import (
    Context,
    Facts,
    Halves,
    ImageData,
    ImageShape,
    Look,
    Meter,
    Play,
    Reference,
    Role,
    Scale,
    Setting,
    Split,
    Terms,
)

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer


class Spec(Table):
    """A component as a recipe describes it."""

    kind: ClassVar[str]
    use: ClassVar[str]


class GeneratorSpec(Spec):
    """Makes images from latents."""

    kind: ClassVar[str] = "generator"
    uses_labels: ClassVar[bool] = False
    """Whether the network is called as ``generator(latent, labels)``."""
    at_sampling: ClassVar[frozenset[str]] = frozenset()
    """Fields that may be changed when a trained generator is sampled: truncation, a code."""
    translates: ClassVar[bool] = False
    """Whether the network is called with the data's inputs instead of latents; \
``image.input_shape`` is the shape of an input."""

    def output_range(self) -> tuple[float, float] | None:
        """Return the lowest and highest value the network can make; None without bounds."""
        return None

    def latents(self, z: Tensor) -> Tensor:
        """Return the network's input for ``[N, Z]`` drawn from the prior, such as codes."""
        return z

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, Z]`` to ``[N, C, H, W]`` in [image.low, image.high].

        The module may return a mapping of named tensors instead of one tensor: 'images', and
        other outputs for losses and regularizers in ``ctx.made``.

        Raises:
            GanzooError: if it cannot make images of that shape.
        """
        raise NotImplementedError


class DiscriminatorSpec(Spec):
    """Scores images: high for real, low for fake."""

    kind: ClassVar[str] = "discriminator"
    uses_labels: ClassVar[bool] = False
    """Whether the network is called as ``discriminator(images, labels)``."""
    is_patchwise: ClassVar[bool] = False
    """Whether it gives several logits for each image, one per patch: ``[N · patches]``."""

    def build(self, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, C, H, W]`` to logits ``[N]``.

        The module may return a mapping of named tensors instead of one tensor: 'logits', and
        other outputs for losses and regularizers in ``ctx.real_out`` and ``ctx.fake_out``, each
        ``[N, ...]``.

        Raises:
            GanzooError: if it cannot read images of that shape.
        """
        raise NotImplementedError


class OwnerSpec(Spec):
    """A component that may own a module, with trained parameters and buffers as state."""

    trained_with: ClassVar[Role] = "discriminator"
    """Which side's optimizer trains the module's parameters."""
    logged: ClassVar[tuple[str, ...]] = ()
    """Buffers of the module, single numbers, to write to the log as 's/USE.NAME'."""
    reduced: ClassVar[Mapping[str, Literal["mean", "sum", "max", "first"]]] = {}
    """How to combine a buffer of the module, by name, if the parts of a batch leave it with \
different values: the 'mean' weighted by images (default), the 'sum' of what each added, the 'max' \
of each number, or the value of the 'first' part."""

    def module(self, latent_size: int, image: ImageShape) -> nn.Module | None:  # noqa: ARG002
        """Return a module that belongs to the component, or None.

        The component gets it as ``ctx.own``. Keep state between steps in its buffers: they are
        saved with every checkpoint, and nothing else of a component is.
        """
        return None


class LossSpec(OwnerSpec):
    """The loss: what each side minimises, as named terms that are added up."""

    kind: ClassVar[str] = "loss"
    needs: ClassVar[frozenset[str]] = frozenset()
    """What the loss requires: 'labels' (the dataset has classes)."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return scalars that the discriminator minimises."""
        raise NotImplementedError

    def generator_terms(self, ctx: Context) -> Terms:
        """Return scalars that the generator minimises."""
        raise NotImplementedError


class RegularizerSpec(OwnerSpec):
    """An extra loss term, or a constraint on the discriminator's weights."""

    kind: ClassVar[str] = "regularizer"
    needs: ClassVar[frozenset[str]] = frozenset()
    """What it requires: 'labels', 'real_gradient', 'fake_gradient' (see ``image_gradient``)."""
    second_order: ClassVar[bool] = False
    """Whether its terms contain gradients of the discriminator (never compiled)."""

    weight: MovingNonNegative = 1.0
    """Factor of the term."""
    every: PositiveInt = 1
    """Apply at every k-th update of its side (not step), multiplied by k to keep its strength."""

    def discriminator_terms(self, ctx: Context) -> Terms:  # noqa: ARG002
        """Return scalars, ``weight`` included, that the discriminator minimises as well."""
        return {}

    def generator_terms(self, ctx: Context) -> Terms:  # noqa: ARG002
        """Return scalars, ``weight`` included, that the generator minimises as well."""
        return {}

    def constrain(self, discriminator: nn.Module) -> None:
        """Change the discriminator's weights in place after its optimizer's step."""


class OptimizerSpec(Spec):
    """Moves the weights of one network."""

    kind: ClassVar[str] = "optimizer"

    lr: MovingRate = 2e-4
    """Learning rate."""
    schedule: Literal["constant", "linear", "cosine", "late_linear", "inverse_time"] = "constant"
    """Learning rate over the run: constant; linear or cosine to zero at the end; constant for \
half of the run, then linear to zero; or lr / (1 + decay · t)."""
    decay: NonNegativeFloat = 0.0
    """Decay per update of the 'inverse_time' schedule."""
    clip_value: PositiveFloat | None = None
    """Clip each element of the gradient to [-clip_value, clip_value] before the update."""
    clip_norm: PositiveFloat | None = None
    """Scale the whole gradient down to this Euclidean norm before the update."""

    def build(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """Return the torch optimizer over ``parameters``."""
        raise NotImplementedError

    def adjust(self, optimizer: Optimizer, update: int, total: int) -> None:
        """Set the learning rates for update number ``update`` (from 0) of ``total``.

        By default every group follows the schedule from its own initial learning rate.
        """
        factor = rate(self.schedule, self.decay, update, total)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor


class DatasetSpec(Spec):
    """Real images."""

    kind: ClassVar[str] = "dataset"
    labelled: ClassVar[bool] = True
    """Whether every image has a label, for components that need them."""
    judge: ClassVar[str | None] = None
    """Dataset whose classifier reads each channel of these images, where they are stacks."""

    value_range: Literal["symmetric", "unit"] = "symmetric"
    """Pixel values fed to the networks: 'symmetric' is [-1, 1], 'unit' is [0, 1]."""
    fallback: str | None = None
    """Dataset to train on instead, with a warning, if this one is not available."""

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:
        """Return the images, from ``root.path`` or downloaded into it.

        Raises:
            DataError: naming the file and what to do, if they are not available.
        """
        raise NotImplementedError

    def facts(self, root: DataRoot, split: Split = "train") -> Facts | None:  # noqa: ARG002
        """Describe the images that ``build`` would return, without importing torch.

        Like ``build``, it checks the files and downloads what is missing. Returns None, unless the
        dataset has a faster way than building its images.

        Raises:
            DataError: as ``build``.
        """
        return None

    def look(self, root: DataRoot, *, pictures: int = 0) -> Look:  # noqa: ARG002
        """Inspect the images quickly; make thumbnails of as many as ``pictures``.

        Raises:
            DataError: if there is nothing to look at.
        """
        raise DataError(f"{self.use}: these images are as its documentation says")


class MetricSpec(Spec):
    """A measure of how good fakes are."""

    kind: ClassVar[str] = "metric"
    scores: ClassVar[Mapping[str, Scale]]
    """The names of its scores, and how to read each."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """What it requires: 'classes' (a feature network with classes), 'labels' (of real images), \
'asked_labels' (fakes made for a class), 'classifier' (labelled images, at least 8 pixels wide, to \
train a small classifier on), 'test' (held-out images), 'discriminator', 'pairs' (fakes made from \
inputs that belong to real images: ``Seen.targets``)."""
    has_floor: ClassVar[bool] = True
    """Whether real images can take the place of fakes, to compute the floor."""

    label: str = Field(default="", pattern=r"^[a-z0-9_]*$")
    """Prefix for the scores' names, for recipes that list a metric twice."""

    def meter(self, reference: Reference) -> Meter:
        """Return a new meter."""
        raise NotImplementedError

    def perfect(self, reference: Reference) -> Mapping[str, float]:  # noqa: ARG002
        """Return the expected scores of a perfect generator, if a closed form is known."""
        return {}

    def real_scores(self, reference: Reference) -> Mapping[str, float]:  # noqa: ARG002
        """Return the floor, if it is not the score of real images in place of fakes."""
        return {}


class ViewSpec(OwnerSpec):
    """A change to the images that the discriminator sees: flipped, augmented, packed."""

    kind: ClassVar[str] = "view"
    keeps_labels: ClassVar[bool] = True
    """Whether the view returns one image, and so one label, for each image of the batch."""

    def shape(self, image: ImageShape) -> ImageShape:
        """Return the shape and range of ``apply``'s output; the discriminator is built for it.

        Raises:
            GanzooError: if the view does not support images of that shape.
        """
        return image

    def apply(self, images: Tensor, which: Literal["real", "fake"]) -> Tensor:
        """Return what the discriminator sees of ``[N, C, H, W]``; must be differentiable.

        Generators are trained through it, and R1 and R2 differentiate through it twice.

        It is called for both real images and fakes in both halves of every step. Draw random
        numbers from torch's global generator on the images' device, which every step reseeds.
        A view with a module is called as ``apply(images, which, own)``.
        """
        raise NotImplementedError

    def observe(self, ctx: Context) -> None:
        """Look at the discriminator's half after its update; may change ``ctx.own``.

        Logits are those of the whole batch, even if it was processed in parts.
        """


Few = Annotated[int, Field(ge=1, le=100)]
Steps = Annotated[int, Field(ge=0, le=10**9)]


class StepSpec(Spec):
    """One update of all networks: what each minimises, and when it is updated."""

    kind: ClassVar[str] = "step"
    players: ClassVar[Mapping[str, Role]] = MappingProxyType(
        {"generator": "generator", "discriminator": "discriminator"}
    )
    """Networks to train, each by the optimizer of its role; the first generator is the run's: \
it is sampled and exported."""
    takes_inputs: ClassVar[bool] = False
    """Whether generators get the data's inputs instead of latents."""
    judge: ClassVar[str] = ""
    """The player that scores plain images with one logit each, for metrics that use a \
discriminator."""
    is_captured: ClassVar[bool] = False
    """Whether every step is the same work, without decisions in Python that depend on numbers; it \
can then be captured as a CUDA graph."""

    accumulate: Few = 1
    """Cut the batch into this many parts: gradients add up, and only one part at a time needs \
memory. Equal to the whole batch unless images influence each other; then a message says so at the \
start."""
    guards: Literal["error", "warn"] = "error"
    """What to do if the check before step 1 finds a term that trains nothing, or wrong images."""

    def batches(self) -> int:
        """Return how many batches of the data one step sees."""
        return 1

    def updates(self, player: str) -> int:  # noqa: ARG002
        """Return how often a step moves that player."""
        return 1

    def waits(self) -> int:
        """Return in how many steps at the start generators are not moved."""
        return 0

    def halves(self) -> Halves | None:
        """Return the settings of ``play.halves()``; None for a step that never calls it."""
        return None

    def is_in_halves(self) -> bool:
        """Return whether a step is ``play.halves()`` and nothing else."""
        return False

    def refuses(self, asked: Literal["shards", "labels"]) -> str:  # noqa: ARG002
        """Return why a recipe cannot ask that of this step, as an error says it; empty if it can.

        Args:
            asked: 'shards', batches that are cut into parts; 'labels', networks that use them.
        """
        return ""

    def makers(self) -> list[str]:
        """Return the players that make images, the run's generator first."""
        return [name for name, role in self.players.items() if role == "generator"]

    def makes(self, player: str, image: ImageShape) -> ImageShape:  # noqa: ARG002
        """Return what the images of a player that makes some look like; its way may lead back."""
        return image

    def moves_with(self, player: str) -> Sequence[str]:  # noqa: ARG002
        """Return other players whose weights that player's optimizer moves as well."""
        return ()

    def networks(self, setting: Setting) -> Mapping[str, nn.Module]:
        """Return every network by its name: the players, and modules that only remember.

        By default each player is what the recipe's [generator] or [discriminator] builds. What a
        module without parameters keeps in its buffers is saved with every checkpoint.
        """
        make = {"generator": setting.generator, "discriminator": setting.discriminator}
        return {name: make[role](name) for name, role in self.players.items()}

    def update(self, play: Play) -> Terms:
        """Make one step; return its terms by name, as ``play.gather`` gives them."""
        raise NotImplementedError

    def sheet(
        self,
        networks: Mapping[str, nn.Module],  # noqa: ARG002
        inputs: Tensor,  # noqa: ARG002
        targets: Tensor,  # noqa: ARG002
    ) -> Tensor | None:
        """Return the pictures ``[N, C, H, W']`` of a sheet, where it shows more than fakes.

        Args:
            networks: those that make images, averaged where the recipe averages.
            inputs: ``[N, C', H, W]``, what the data has beside some images.
            targets: these images ``[N, C, H, W]``.
        """
        return None


class AdversarialSpec(StepSpec):
    """The settings of a step in two halves: which network is updated how often, and on which \
images."""

    judge: ClassVar[str] = "discriminator"

    discriminator_updates: Few = 1
    """Discriminator updates per step, each on its own batch."""
    generator_updates: Few = 1
    """Generator updates per step."""
    generator_waits: Steps = 0
    """Steps at the start in which only the discriminator is trained."""
    first: Literal["discriminator", "generator"] = "discriminator"
    """Which network is updated first in a step."""
    generator_noise: Literal["shared", "same", "fresh", "detached"] = "shared"
    """The generator's fakes: the discriminator's batch again, recomputed from the same latents, \
made from new latents, or detached (the generator then learns nothing)."""
    fakes_for_discriminator: Literal["train", "eval"] = "train"
    """Mode of the generator when it makes the discriminator's fakes."""
    fakes: Literal["matched", "full"] = "matched"
    """Fakes per batch: as many as real images, or always train.batch_size, even if a last batch \
has fewer real images."""
    batching: Literal["separate", "joint"] = "separate"
    """Real images and fakes in two discriminator passes, or in one (batch norm sees both)."""
    generator_step_trains: Literal["generator", "both"] = "generator"
    """Whose weights the generator's optimizer updates."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.fakes_for_discriminator == "eval" and self.generator_noise == "shared":
            raise ValueError(
                "fakes_for_discriminator = 'eval' cannot be combined with generator_noise = "
                "'shared', whose one batch the generator is trained on; use 'same' or 'fresh'"
            )
        if self.first == "generator" and self.generator_noise == "shared" and self.accumulate > 1:
            raise ValueError(
                "accumulate generates new fakes for each half, and after first = 'generator' the "
                "generator has moved, so generator_noise = 'shared' is not possible; use 'same'"
            )
        return self

    def batches(self) -> int:
        """Return the discriminator's updates: each has a batch."""
        return self.discriminator_updates

    def updates(self, player: str) -> int:
        """Return how often a step moves that player."""
        return self.discriminator_updates if player == "discriminator" else self.generator_updates

    def waits(self) -> int:
        """Return the steps in which the discriminator is trained alone."""
        return self.generator_waits

    def halves(self) -> Halves:
        """Return these settings."""
        return self

    def is_in_halves(self) -> bool:
        """Return whether ``update`` is as it stands here."""
        return type(self).update is AdversarialSpec.update

    def refuses(self, asked: Literal["shards", "labels"]) -> str:
        """Return why the fakes of these settings cannot be made in parts, or have labels."""
        if asked == "labels" and self.fakes == "full":
            return (
                "step.fakes = 'full' makes fakes without a label of their own, and the networks "
                "or the loss use labels; set it to 'matched'"
            )
        if asked == "shards" and self.first == "generator" and self.generator_noise == "shared":
            return (
                "train.shards generates new fakes for each half, and after step.first = "
                "'generator' the generator has moved, so step.generator_noise = "
                "'shared' is not possible; use 'same'"
            )
        return ""

    def moves_with(self, player: str) -> Sequence[str]:
        """Return the discriminator, where generator_step_trains says 'both'."""
        is_both = player == "generator" and self.generator_step_trains == "both"
        return ("discriminator",) if is_both else ()

    def update(self, play: Play) -> Terms:
        """Make the two halves."""
        return play.halves()


Pair = Annotated[list[float], Field(min_length=2, max_length=2)]
"""Two numbers, as a recipe writes them: ``[0.5, 0.999]``."""
