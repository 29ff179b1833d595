"""What components are given and give back: images, data, contexts, references."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer


Split = Literal["train", "test"]


Role = Literal["generator", "discriminator"]


Terms = Mapping[str, "Tensor"]


@dataclass(frozen=True)
class ImageShape:
    """The shape of every image of a run: ``[C, H, W]`` with values in [low, high].

    ``num_classes`` is 0 if the data has no class labels. ``label_shape`` is the shape of one label:
    () for a class, (K,) for K numbers per image. ``input_shape`` is the shape of an input of paired
    or unpaired data, (C', H', W'); () if there are no inputs.
    """

    channels: int
    height: int
    width: int
    low: float = -1.0
    high: float = 1.0
    num_classes: int = 0
    label_shape: tuple[int, ...] = ()
    input_shape: tuple[int, ...] = ()

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
    """A dataset that is ready for training.

    Attributes:
        images: ``[N, C, H, W]`` uint8 (scaled to the recipe's value range by the feed), float32
            (used as it is), or an ``ImageSource`` that reads one uint8 image at a time.
        labels: ``[N]`` int64 classes, ``[N, ...]`` for more than one number per image, or None.
        classes: the names of the labels; empty if they are not classes.
        source: where the data came from, for the run's record.
        fingerprint: SHA-256 over the content; equal data has equal fingerprints.
        notes: remarks for the run's record.
        inputs: inputs for image translation, ``[N, ...]`` like ``images``; if not ``paired``, any
            number of them: ``[M, ...]``.
        paired: whether input n belongs to image n. Otherwise both are drawn independently.
        varied: images that training sees instead.
    """

    images: Tensor | ImageSource
    labels: Tensor | None
    classes: tuple[str, ...]
    source: str
    fingerprint: str
    notes: tuple[str, ...] = ()
    inputs: Tensor | ImageSource | None = None
    paired: bool = True
    varied: Varied | None = None

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Facts:
    """What a dataset's images are, told without loading them; as in ``ImageData``.

    Attributes:
        images: how many.
        shape: what each looks like.
        classes: how many there are; 0 where labels are not classes.
    """

    images: int
    shape: ImageShape
    classes: int
    source: str
    fingerprint: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Varied:
    """Images of which training sees a crop at random, mirrored or not; everybody else the plain.

    Of a pair both are cropped and mirrored alike.

    Attributes:
        images: ``[N, C, H+, W+]``, at least as large as the plain ones and in their order.
        inputs: the same of the inputs; of a pair they are as large.
        flips: whether half of them are mirrored.
    """

    images: Tensor | ImageSource
    inputs: Tensor | ImageSource | None = None
    flips: bool = False


@dataclass(frozen=True)
class Look:
    """What a quick look at images has shown; see ``DatasetSpec.look``.

    Attributes:
        source: where they lie.
        images: how many can be used, as far as their headers tell.
        num_bytes: of all files.
        formats: how many there are of each.
        sizes: how many there are of each height and width, upright.
        kinds: how many of those that were sampled are grey, coloured, transparent.
        bits: how many there are of each depth: '8', '16', or the numbers' type.
        values: the lowest and highest raw value of those that were sampled.
        classes: how many images each class has; empty where there are none.
        duplicates: names of images that are the same.
        broken: the names of those that cannot be read, and why.
        sampled: how many were decoded.
        settings: fields of the dataset that suit them: value and reason.
        notes: what else was seen.
        seconds: how long it took.
        pictures: thumbnails, Pillow images of one size.
    """

    source: str
    images: int
    num_bytes: int
    formats: Mapping[str, int]
    sizes: Mapping[tuple[int, int], int]
    kinds: Mapping[str, int]
    bits: Mapping[str, int]
    values: tuple[float, float]
    classes: Mapping[str, int]
    duplicates: tuple[tuple[str, ...], ...]
    broken: Mapping[str, str]
    sampled: int
    settings: Mapping[str, tuple[Any, str]]
    notes: tuple[str, ...]
    seconds: float
    pictures: tuple[Any, ...] = ()


class Context(Protocol):
    """One half of a training step, for losses and regularizers; computed on first use.

    Attributes:
        role: the side whose half it is.
        step: steps finished before this one.
        steps: length of the run.
        real: ``[N, C, H, W]`` in the recipe's value range.
        fake: same shape; detached from the generator in the discriminator's half.
        real_labels: ``[N]`` int64, or None.
        fake_labels: ``[N]`` int64, or None.
        latent: ``[N, Z]``, the generator's input.
        inputs: the input of each real image in paired data, or None.
        made: everything the generator returned, by name: 'images', before any view, and its other
            outputs; detached in the discriminator's half. Under bf16, other outputs keep the type
            they were computed in.
        real_out: everything the discriminator returned for real images: 'logits' and its other
            outputs.
        fake_out: the same for fakes.
        real_logits: ``[N]``.
        fake_logits: ``[N]``.
        generator: the network, to read and to call.
        discriminator: the network, to read and to call.
        discriminator_optimizer: what moves it, to read; None in checks on copies, and where a
            step of its own asks a discriminator that nothing moves.
        own: the module that the component's ``module()`` returned.
    """

    role: Role
    real: Tensor
    fake: Tensor
    real_labels: Tensor | None
    fake_labels: Tensor | None
    latent: Tensor
    inputs: Tensor | None
    made: Mapping[str, Tensor]
    own: Any

    @property
    def step(self) -> int: ...

    @property
    def steps(self) -> int: ...

    @property
    def generator(self) -> nn.Module: ...

    @property
    def discriminator(self) -> nn.Module: ...

    @property
    def discriminator_optimizer(self) -> Optimizer | None: ...

    @property
    def real_out(self) -> Mapping[str, Tensor]: ...

    @property
    def fake_out(self) -> Mapping[str, Tensor]: ...

    @property
    def real_logits(self) -> Tensor: ...

    @property
    def fake_logits(self) -> Tensor: ...

    def critic(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Score other images, such as interpolations: ``[N, C, H, W]`` to ``[N]``."""
        ...

    def outputs(self, images: Tensor, labels: Tensor | None = None) -> Mapping[str, Tensor]:
        """Return everything the discriminator returns for other images, 'logits' included."""
        ...

    def view(self, images: Tensor, which: Literal["real", "fake"]) -> Tensor:
        """Apply the recipe's views to other images, such as a generator's second output."""
        ...

    def image_gradient(
        self, which: Literal["real", "fake"], at: Literal["images", "view"] = "images"
    ) -> Tensor:
        """Return the gradient of the summed logits at real images or fakes; differentiable.

        It is taken at the plain images, through the views; with ``at = "view"``, at what the views
        show. If a view makes packs of images, it is always taken at the packs.
        """
        ...

    def uniform(self, *shape: int) -> Tensor:
        """Draw numbers in [0, 1) from the step's own generator, on its device."""
        ...


class Setting(Protocol):
    """What the networks of a step are built in.

    Attributes:
        image: what the data's images look like.
        latent_size: numbers in a latent.
    """

    image: ImageShape
    latent_size: int

    def generator(self, name: str, image: ImageShape | None = None) -> nn.Module:
        """Build the recipe's generator as player ``name``, for the data's images or others."""
        ...

    def discriminator(self, name: str, image: ImageShape | None = None) -> nn.Module:
        """Build the recipe's discriminator as player ``name``, behind the recipe's views."""
        ...

    def build(self, name: str, make: Callable[[], nn.Module]) -> nn.Module:
        """Build a network of another kind, from a seed of its own."""
        ...


class Part(Protocol):
    """A batch, or a part of it, as a step's terms are asked for it.

    Attributes:
        images: ``[N, C, H, W]`` real images in the recipe's range.
        labels: ``[N, ...]`` or None.
        inputs: ``[N, C', H', W']``, what the data has beside them, or None.
        latent: ``[N, Z]``.
    """

    images: Tensor
    labels: Tensor | None
    inputs: Tensor | None
    latent: Tensor

    def make(self, player: str, given: Tensor | None = None) -> Tensor:
        """Return what a generator makes of ``given``; else of latents, or inputs, and labels."""
        ...

    def call(self, player: str, *given: Tensor) -> Mapping[str, Tensor]:
        """Return what a network says, by name; a bare tensor is 'logits'."""
        ...

    def terms(
        self, role: Role, fake: Tensor, real: Tensor | None = None, judge: str = "discriminator"
    ) -> Terms:
        """Return what the recipe's loss and regularizers ask of a side, through its views.

        Args:
            role: whose terms; for the discriminator's, fakes are cut from their generator.
            fake: ``[N, C, H, W]`` that ``judge`` is shown.
            real: the same of real ones; the batch's images where nothing is given.
            judge: the discriminator that is asked.
        """
        ...

    def keep(self, name: str, rows: Tensor) -> None:
        """Keep ``[N, ...]`` for ``play.kept``, where the parts of all processes come together."""
        ...

    def of(self, whole: Tensor) -> Tensor:
        """Return this part's rows of what belongs to the whole batch."""
        ...


class Halves(Protocol):
    """What ``Play.halves`` goes by; see ``AdversarialSpec``, whose fields these are."""

    @property
    def accumulate(self) -> int: ...

    @property
    def discriminator_updates(self) -> int: ...

    @property
    def generator_updates(self) -> int: ...

    @property
    def generator_waits(self) -> int: ...

    @property
    def first(self) -> Literal["discriminator", "generator"]: ...

    @property
    def generator_noise(self) -> Literal["shared", "same", "fresh", "detached"]: ...

    @property
    def fakes_for_discriminator(self) -> Literal["train", "eval"]: ...

    @property
    def fakes(self) -> Literal["matched", "full"]: ...

    @property
    def batching(self) -> Literal["separate", "joint"]: ...

    @property
    def generator_step_trains(self) -> Literal["generator", "both"]: ...


class Play(Protocol):
    """One step as it is made; see ``StepSpec.update``.

    Attributes:
        step: steps finished before this one.
        steps: length of the run.
        networks: all of them, by name.
        kept: what parts have kept in this step, ``[N, ...]`` of the whole batch.
    """

    @property
    def step(self) -> int: ...

    @property
    def steps(self) -> int: ...

    @property
    def networks(self) -> Mapping[str, nn.Module]: ...

    @property
    def kept(self) -> Mapping[str, Tensor]: ...

    def gather(
        self, players: str | Sequence[str], terms: Callable[[Part], Terms], batch: int = 0
    ) -> Terms:
        """Take the gradients of terms at the weights of players, and move nothing.

        ``terms`` is called for each part of the batch, whose gradients add up over parts and
        processes; nobody else gets gradients. They lie in ``parameter.grad``.

        Args:
            batch: which of the step's ``batches()``.

        Returns:
            The terms of the whole batch, named for the log: 'g/adversarial'.
        """
        ...

    def move(self, *players: str) -> None:
        """Move each by its optimizer; its gradients are used up."""
        ...

    def minimise(
        self, players: str | Sequence[str], terms: Callable[[Part], Terms], batch: int = 0
    ) -> Terms:
        """Gather, then move."""
        ...

    def uniform(self, *shape: int) -> Tensor:
        """Draw numbers in [0, 1) that are the same in every process, on the CPU."""
        ...

    def halves(self) -> Terms:
        """Make a step in two halves, as the settings of ``StepSpec.halves()`` say."""
        ...


@dataclass(frozen=True)
class RunInfo:
    """A run as the run-time hooks see it.

    Attributes:
        path: the run's folder.
        name: such as 'dcgan_mnist/20260131-0915-kfbm'.
        recipe: the frozen recipe as plain tables.
        steps: length of the run.
        start: the step it starts from; 0 unless it is resumed.
        trackers: the names given with ``--track``.
    """

    path: Path
    name: str
    recipe: Mapping[str, Any]
    steps: int
    start: int = 0
    trackers: frozenset[str] = frozenset()


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
        labels: ``[N]`` int64: the classes of real images, or those that were asked of a generator
            for its fakes; None without any.
        targets: ``[N, C, H, W]`` uint8: what each fake should be, where it was made of an input
            that belongs to it; else None.
    """

    images: Tensor
    features: Tensor
    probabilities: Tensor | None = None
    labels: Tensor | None = None
    targets: Tensor | None = None

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

    def classifier(
        self, images: Tensor | None = None, labels: Tensor | None = None
    ) -> Callable[[Tensor], Tensor]:
        """Train a small classifier on the spot: it turns stored images into logits ``[N, K]``.

        Args:
            images: ``[N, C, H, W]`` uint8; without any, as many real ones of the reference as
                there are fakes.
            labels: their classes ``[N]``.
        """
        ...


class Meter(Protocol):
    """One measurement in progress: is shown every fake once, then tells its scores."""

    def add(self, seen: Seen) -> None:
        """Take in a batch; what is kept does not grow with the number of batches."""
        ...

    def result(self) -> Mapping[str, float]:
        """Return a value for every name in the spec's ``scores``."""
        ...
