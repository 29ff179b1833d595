"""The recipe: what a run is made of, checked to the last key."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from ganzoo.specs import (
    DatasetSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    LossSpec,
    OptimizerSpec,
    RegularizerSpec,
    Table,
)


class Train(Table):
    """How long, how much at a time, in which order."""

    epochs: PositiveInt | None = None
    """Passes over the data; the run ends at epochs or steps, whichever comes first."""
    steps: PositiveInt | None = None
    """Generator and discriminator rounds."""
    batch_size: PositiveInt = 128
    """Images in a batch."""
    seed: NonNegativeInt = 0
    """Seed of everything random."""
    order: Literal["shuffle", "sequential", "replacement"] = "shuffle"
    """Order of the data: shuffled each epoch, as stored, or drawn with replacement."""
    last_batch: Literal["drop", "keep"] = "drop"
    """What becomes of the last, smaller batch of an epoch."""
    log_every: PositiveInt = 50
    """Steps between lines of the log."""


class Latent(Table):
    """What the generator starts from."""

    size: PositiveInt = 100
    """Numbers in a latent."""
    prior: Literal["normal", "uniform"] = "normal"
    """Standard normal, or uniform in [-1, 1)."""


class Step(Table):
    """One adversarial update: who is updated how often, on which images."""

    discriminator_updates: PositiveInt = 1
    """Discriminator updates in a step, each on its own batch."""
    generator_updates: PositiveInt = 1
    """Generator updates in a step."""
    generator_noise: Literal["shared", "same", "fresh", "detached"] = "shared"
    """The generator's fakes: the discriminator's batch again, recomputed from the same latents, \
redrawn, or cut from the generator's graph (it then learns nothing)."""
    fakes_for_discriminator: Literal["train", "eval"] = "train"
    """Mode of the generator while it makes the discriminator's fakes."""
    batching: Literal["separate", "joint"] = "separate"
    """Real and fake images in two discriminator passes, or in one (batch norm sees both)."""
    generator_step_trains: Literal["generator", "both"] = "generator"
    """Whose weights the generator's optimizer moves."""
    guards: Literal["error", "warn"] = "error"
    """What happens when the first step shows a term that trains nothing, or wrong images."""


class Samples(Table):
    """The sheets of samples a run leaves."""

    rows: PositiveInt = 5
    """Rows of a sheet."""
    columns: PositiveInt = 5
    """Columns of a sheet."""
    every: NonNegativeInt = 250
    """Steps between sheets; 0 for one at the end only."""
    noise: Literal["fixed", "fresh"] = "fixed"
    """The same latents on every sheet, or new ones."""
    mode: Literal["eval", "train"] = "eval"
    """Mode of the generator while it makes a sheet."""
    name: str = Field(
        default="step-{step:06d}", pattern=r"^[A-Za-z0-9_-]*\{step(:0\dd)?\}[A-Za-z0-9_-]*$"
    )
    """File name of a sheet, without '.png'."""


class Checkpoint(Table):
    """What is kept for going on."""

    every: NonNegativeInt = 1000
    """Steps between checkpoints; 0 for one at the end only."""
    keep: PositiveInt = 2
    """Newest checkpoints kept."""


class Ema(Table):
    """A running average of the generator's weights, used for samples and measures."""

    half_life: PositiveFloat
    """Steps after which an old weight counts half."""


class Optimizers(Table):
    """One optimizer for each network."""

    generator: OptimizerSpec
    discriminator: OptimizerSpec


class Recipe(Table):
    """Everything that decides a run's result."""

    requires: list[str] = Field(default_factory=list)
    """Plugins the recipe needs, by distribution name."""
    train: Train
    latent: Latent = Latent()
    dataset: DatasetSpec
    generator: GeneratorSpec
    discriminator: DiscriminatorSpec
    loss: LossSpec
    optimizer: Optimizers
    regularizer: list[RegularizerSpec] = Field(default_factory=list)
    """Penalties and constraints, in the order they are applied."""
    step: Step = Step()
    samples: Samples = Samples()
    checkpoint: Checkpoint = Checkpoint()
    ema: Ema | None = None
