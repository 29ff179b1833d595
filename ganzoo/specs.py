"""What a component is: a pydantic spec per kind, with a ``build()``. No torch at run time.

A spec is one table of a recipe. Its fields are the keys of that table, the line of text under a
field is the key's help, and the class attribute ``use`` is the name by which recipes choose it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

Split = Literal["train", "test"]
Role = Literal["generator", "discriminator"]
Terms = Mapping[str, "Tensor"]


class Table(BaseModel):
    """A table of a recipe: strict, closed and frozen."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        frozen=True,
        use_attribute_docstrings=True,
    )


@dataclass(frozen=True)
class ImageShape:
    """What every image of a run looks like: ``[C, H, W]`` with values in [low, high].

    ``num_classes`` is 0 where the data has no labels.
    """

    channels: int
    height: int
    width: int
    low: float = -1.0
    high: float = 1.0
    num_classes: int = 0

    def __str__(self) -> str:
        return f"{self.channels}×{self.height}×{self.width}"


def is_points(image: ImageShape) -> bool:
    """Tell whether the 'images' are points: one pixel, whose channels are coordinates."""
    return image.height == image.width == 1


class ImageSource(Protocol):
    """Images that are read one at a time because they do not fit into memory."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Tensor:
        """Return image ``index`` as ``[C, H, W]``, uint8."""
        ...


@dataclass(frozen=True)
class ImageData:
    """A data set ready to be fed.

    Attributes:
        images: ``[N, C, H, W]`` uint8 (scaled to the recipe's value range by the feed), float32
            (taken as it is), or an ``ImageSource`` that reads one uint8 image at a time.
        labels: ``[N]`` int64, or None.
        classes: the names of the labels.
        source: where the bytes came from, for the run's record.
        fingerprint: SHA-256 over the content; equal data has equal fingerprints.
    """

    images: Tensor | ImageSource
    labels: Tensor | None
    classes: tuple[str, ...]
    source: str
    fingerprint: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)


class Progress(Protocol):
    """Told how far a long piece of work is: ``done`` of ``total`` (0 where unknown)."""

    def __call__(self, what: str, done: int, total: int) -> None: ...


def no_progress(what: str, done: int, total: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class DataRoot:
    """The folder data sets live in, and what a data set may do to fill it."""

    path: Path
    download: bool = True
    progress: Progress = no_progress


class Context(Protocol):
    """One half of a training step, seen by losses and regularizers; computed on first use.

    Attributes:
        role: whose half it is.
        step: steps finished before this one.
        real: ``[N, C, H, W]`` in the recipe's value range.
        fake: same shape; detached from the generator in the discriminator's half.
        real_labels: ``[N]`` int64, or None.
        fake_labels: ``[N]`` int64, or None.
        latent: ``[N, Z]``.
        real_logits: ``[N]``.
        fake_logits: ``[N]``.
    """

    role: Role
    real: Tensor
    fake: Tensor
    real_labels: Tensor | None
    fake_labels: Tensor | None
    latent: Tensor

    @property
    def step(self) -> int: ...

    @property
    def real_logits(self) -> Tensor: ...

    @property
    def fake_logits(self) -> Tensor: ...

    def critic(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Score other images, ``[N, C, H, W]`` to ``[N]``: interpolates, look-aheads."""
        ...

    def image_gradient(self, which: Literal["real", "fake"]) -> Tensor:
        """Gradient of the summed logits at the real or fake images, differentiable again."""
        ...

    def uniform(self, *shape: int) -> Tensor:
        """Draw numbers in [0, 1) from the step's own generator, on its device."""
        ...


@dataclass(frozen=True)
class Run:
    """A run as the run-time hooks see it.

    Attributes:
        path: its folder.
        name: 'dcgan_mnist/20260131-0915-kfbm'.
        recipe: the frozen recipe as plain tables.
        steps: how many it will make.
        start: steps that were finished before; 0 unless it is resumed.
        trackers: the names that the user asked for with ``--track``.
    """

    path: Path
    name: str
    recipe: Mapping[str, Any]
    steps: int
    start: int = 0
    trackers: frozenset[str] = frozenset()


class Spec(Table):
    """A component as a recipe describes it."""

    kind: ClassVar[str]
    use: ClassVar[str]


class GeneratorSpec(Spec):
    """Makes images out of latents."""

    kind: ClassVar[str] = "generator"
    uses_labels: ClassVar[bool] = False
    """Whether the network is called as ``generator(latent, labels)``."""

    def output_range(self) -> tuple[float, float] | None:
        """Return the lowest and highest value the network can make; None without bounds."""
        return None

    def build(self, latent_size: int, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, Z]`` to ``[N, C, H, W]`` in [image.low, image.high].

        Raises:
            GanzooError: if it cannot make images of that shape.
        """
        raise NotImplementedError


class DiscriminatorSpec(Spec):
    """Scores images: high for real, low for fake."""

    kind: ClassVar[str] = "discriminator"
    uses_labels: ClassVar[bool] = False
    """Whether the network is called as ``discriminator(images, labels)``."""

    def build(self, image: ImageShape) -> nn.Module:
        """Return a module from ``[N, C, H, W]`` to logits ``[N]``.

        Raises:
            GanzooError: if it cannot read images of that shape.
        """
        raise NotImplementedError


class LossSpec(Spec):
    """The game: what each side minimises, as named terms that are summed."""

    kind: ClassVar[str] = "loss"
    needs: ClassVar[frozenset[str]] = frozenset()
    """What must be there: 'labels' (the data set has classes)."""

    def discriminator_terms(self, ctx: Context) -> Terms:
        """Return scalars that the discriminator minimises."""
        raise NotImplementedError

    def generator_terms(self, ctx: Context) -> Terms:
        """Return scalars that the generator minimises."""
        raise NotImplementedError


class RegularizerSpec(Spec):
    """An extra term, or a constraint on the discriminator's weights."""

    kind: ClassVar[str] = "regularizer"
    needs: ClassVar[frozenset[str]] = frozenset()
    """What must be there: 'labels', 'real_gradient', 'fake_gradient' (see ``image_gradient``)."""
    second_order: ClassVar[bool] = False
    """Whether its terms contain gradients of the discriminator (never compiled)."""

    weight: NonNegativeFloat = 1.0
    """Factor on the term."""
    every: PositiveInt = 1
    """Apply at every k-th step only, with the term multiplied by k so that its pull stays."""

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

    lr: PositiveFloat = 2e-4
    """Learning rate."""
    schedule: Literal["constant", "linear", "cosine", "inverse_time"] = "constant"
    """Course of the rate: constant; linear or cosine to zero at the end; lr / (1 + decay · t)."""
    decay: NonNegativeFloat = 0.0
    """Decay per update of the 'inverse_time' schedule."""
    clip_value: PositiveFloat | None = None
    """Clip each element of the gradient to [-clip_value, clip_value] before the update."""
    clip_norm: PositiveFloat | None = None
    """Scale the whole gradient down to this Euclidean norm before the update."""

    def build(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """Return the torch optimizer over ``parameters``."""
        raise NotImplementedError


class DatasetSpec(Spec):
    """Real images."""

    kind: ClassVar[str] = "dataset"
    labelled: ClassVar[bool] = True
    """Whether every image has a label, for components that need them."""
    judge: ClassVar[str | None] = None
    """Data set whose classifier reads each channel of these images, where they are stacks."""

    value_range: Literal["symmetric", "unit"] = "symmetric"
    """Pixel values fed to the networks: 'symmetric' is [-1, 1], 'unit' is [0, 1]."""
    fallback: str | None = None
    """Data set to train on, loudly, where this one is neither here nor downloadable."""

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:
        """Return the images, from ``root.path`` or downloaded into it.

        Raises:
            DataError: naming the file and what to do, if they cannot be had.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Scale:
    """How the values of a score are read.

    Attributes:
        lower_is_better: whether 1 is better than 2.
        positive: whether values are never negative and spread over magnitudes, so that they are
            compared by their logarithms.
    """

    lower_is_better: bool
    positive: bool = False


@dataclass(frozen=True)
class Seen:
    """A batch of images and what the feature network sees in it; everything on the CPU.

    Attributes:
        images: ``[N, C, H, W]`` uint8, the data's own pixels; float32 for data that are points.
        features: ``[N, D]`` float32.
        probabilities: ``[N, K]`` float32 of the network's classes, or None where it has none.
        labels: ``[N]`` int64 of real images with classes, else None.
    """

    images: Tensor
    features: Tensor
    probabilities: Tensor | None = None
    labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)


class Reference(Protocol):
    """What a metric holds fakes against: real images through the same feature network.

    Attributes:
        image: shape and value range of the networks' images.
        num_classes: classes the feature network tells apart; 0 where it has none.
        n_real: images that ``real`` yields.
        n_fake: fakes that a meter is given.
        seed: of every choice made while measuring.
    """

    image: ImageShape
    num_classes: int
    n_real: int
    n_fake: int
    seed: int

    def real(self) -> Iterator[Seen]:
        """Yield the reference images, batch by batch, in the same order every time."""
        ...

    def unseen(self) -> Iterator[Seen]:
        """Yield images of the test split: no generator was trained on them."""
        ...

    def nearest(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return distance and number ``[N]`` of the nearest training image of each.

        The distance is the root mean square difference of pixels that run from 0 to 1.
        """
        ...

    def critic(self, images: Tensor) -> Tensor:
        """Score stored images ``[N, C, H, W]`` by the run's discriminator: ``[N]``."""
        ...


class Meter(Protocol):
    """One measurement in progress: is shown every fake once, then tells its scores."""

    def add(self, seen: Seen) -> None:
        """Take in a batch; what is kept does not grow with the number of batches."""
        ...

    def result(self) -> Mapping[str, float]:
        """Return a value for every name in the spec's ``scores``."""
        ...


class MetricSpec(Spec):
    """A measure of how good fakes are."""

    kind: ClassVar[str] = "metric"
    scores: ClassVar[Mapping[str, Scale]]
    """The names of its values, and how each is read."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """What must be there: 'classes' (a feature network with classes), 'labels' (of real images), \
'test' (images nobody trained on), 'discriminator'."""
    has_floor: ClassVar[bool] = True
    """Whether real images may be measured in place of fakes, as the floor."""

    label: str = Field(default="", pattern=r"^[a-z0-9_]*$")
    """Put before the scores' names, where a recipe lists a metric twice."""

    def meter(self, reference: Reference) -> Meter:
        """Return a new meter."""
        raise NotImplementedError

    def perfect(self, reference: Reference) -> Mapping[str, float]:  # noqa: ARG002
        """Return the expected scores of a perfect generator, where a closed form is known."""
        return {}


class ViewSpec(Spec):
    """What the discriminator is shown in place of the plain images: flipped, augmented, packed."""

    kind: ClassVar[str] = "view"
    keeps_labels: ClassVar[bool] = True
    """Whether there is still one image, and so one label, for each image of the batch."""

    def shape(self, image: ImageShape) -> ImageShape:
        """Return the shape and range of what ``apply`` makes; the discriminator is built for it.

        Raises:
            GanzooError: if it cannot be done to images of that shape.
        """
        return image

    def apply(self, images: Tensor, which: Literal["real", "fake"]) -> Tensor:
        """Return what is seen of ``[N, C, H, W]``, differentiable: generators learn through it.

        It is called for real images and fakes alike in both halves of every step. Random numbers
        come from torch's global generator on the images' device, which every step seeds anew.
        """
        raise NotImplementedError


KINDS: dict[str, type[Spec]] = {
    spec.kind: spec
    for spec in (
        GeneratorSpec,
        DiscriminatorSpec,
        LossSpec,
        RegularizerSpec,
        DatasetSpec,
        OptimizerSpec,
        MetricSpec,
        ViewSpec,
    )
}
"""Every kind of component and the class its specs derive from."""

Pair = Annotated[list[float], Field(min_length=2, max_length=2)]
"""Two numbers, as a recipe writes them: ``[0.5, 0.999]``."""

AnySpec = type[Spec]
JsonValue = Any
