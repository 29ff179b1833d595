"""The recipe: what a run is made of, checked to the last key."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import BaseModel, Field, model_validator
from pydantic.fields import FieldInfo

from ganzoo.common.errors import suggest
from ganzoo.common.tables import differing, dotted
from ganzoo.plugin.ramps import MovingPositive
from ganzoo.plugin.specs import (
    DatasetSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    LossSpec,
    MetricSpec,
    OptimizerSpec,
    RegularizerSpec,
    Spec,
    StepSpec,
    ViewSpec,
)
from ganzoo.plugin.table import Table
from ganzoo.recipe.component import ByUse, default_of
from ganzoo.recipe.protocols import filled

# Upper bounds keep out what would only fill the memory, or a counter, long after the start.
Count = Annotated[int, Field(ge=1, le=10**9)]
CountOrNone = Annotated[int, Field(ge=0, le=10**9)]
Few = Annotated[int, Field(ge=1, le=100)]
Classes = Annotated[list[str | int], Field(min_length=1, max_length=1000)]


class Train(Table):
    """Length, batch size and order of the training."""

    epochs: Count | None = None
    """Passes over the data; the run ends at epochs or steps, whichever comes first."""
    steps: Count | None = None
    """Number of steps, each an update of both networks."""
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 128
    """Images in a batch."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of all random numbers."""
    order: Literal["shuffle", "sequential", "replacement"] = "shuffle"
    """Order of the data: shuffled each epoch, as stored, or drawn with replacement."""
    last_batch: Literal["drop", "keep"] = "drop"
    """What to do with the last, smaller batch of an epoch."""
    shards: Annotated[int, Field(ge=1, le=4096)] = 1
    """Parts of a batch that processes share. Any number of processes that divides it gives the \
same bits."""
    sync_norm: bool = False
    """Compute batch norm over the whole batch, in all processes, instead of over each part."""
    log_every: Count = 50
    """Steps between lines of the log."""
    log_each_epoch: bool = False
    """Also write a line at the end of each epoch, so no line mixes two epochs."""
    count_from: Annotated[int, Field(ge=0, le=1)] = 1
    """Number of the first step: 1, or 0 as in programs that save before they count. It determines \
which steps have a log line or a sheet, and the names of sheets; everything else counts from 1."""

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.epochs is None and self.steps is None:
            raise ValueError("does not say when to stop; add epochs = 25 or steps = 10000")
        return self

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.batch_size % self.shards:
            raise ValueError(
                f"shards = {self.shards} does not divide batch_size = "
                f"{self.batch_size}; use a multiple of the shards"
            )
        return self


class Latent(Table):
    """The generator's input."""

    size: Annotated[int, Field(ge=1, le=65_536)] = 100
    """Length of a latent."""
    prior: Literal["normal", "uniform", "truncated", "sphere"] = "normal"
    """Standard normal; uniform in [-1, 1); normal, truncated at 'truncation'; or uniform on the \
sphere of radius √size."""
    truncation: Annotated[float, Field(ge=0.01, le=10)] = 2.0
    """Largest absolute value in a 'truncated' latent, in standard deviations: larger ones are \
redrawn."""


class Samples(Table):
    """Sheets of samples that a run writes."""

    rows: Few = 5
    """Rows of a sheet."""
    columns: Few = 5
    """Columns of a sheet."""
    every: CountOrNone = 250
    """Steps between sheets; 0 for one at the end only."""
    each_epoch: bool = False
    """Also write a sheet at the end of each epoch."""
    at_start: bool = False
    """Also write a sheet of the untrained generator, numbered 0."""
    labels: (
        Literal["rows", "mixed"] | Annotated[list[str | int], Field(min_length=1, max_length=1000)]
    ) = "rows"
    """Classes on the sheets of a class-conditional generator: one per row, mixed one after the \
other, or a list of names or numbers, one per row."""
    noise: Literal["fixed", "fresh"] = "fixed"
    """Use the same latents on every sheet, or new ones."""
    mode: Literal["eval", "train"] = "eval"
    """Mode of the generator when it makes a sheet."""
    fill: Literal["rows", "columns"] = "rows"
    """Whether a sheet is filled row by row or column by column."""
    gap: Annotated[int, Field(ge=0, le=100)] = 2
    """Black pixels around each image of a sheet; 0 puts them edge to edge."""
    name: str = Field(
        default="step-{step:06d}",
        pattern=r"^[A-Za-z0-9_-]*\{step(:0[1-9]d)?\}[A-Za-z0-9_-]*$",
        max_length=100,
    )
    """File name of a sheet, without '.png'."""
    film: str = Field(default="samples", pattern=r"^[A-Za-z0-9_-]+$", max_length=100)
    """File name of the animation of all sheets, without '.gif'."""


class Checkpoint(Table):
    """Checkpoints to resume from."""

    every: CountOrNone = 1000
    """Steps between checkpoints; 0 for one at the end only."""
    keep: Count = 2
    """Number of newest checkpoints to keep."""


class Ema(Table):
    """A running average of the generator's weights, used for samples and evaluation."""

    half_life: MovingPositive
    """Steps after which an old weight counts half; above 10,000, twice the digits are kept."""


class Init(Table):
    """Initial weights from another model, and frozen parameters."""

    source: str | None = Field(default=None, alias="from", min_length=1, max_length=4096)
    """Weights to start from, matched by name and shape: a run (its folder, its letters, 'last', \
or its recipe's name for the newest one), a shipped model ('zoo:fast_digits'), an exported folder, \
or a .safetensors file."""
    networks: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=200)]],
        Field(default_factory=lambda: ["generator", "discriminator"], min_length=1, max_length=100),
    ]
    """Networks that start from these weights, by the names of the step's players; by default \
all."""
    average: bool = True
    """For networks that make images, use the running average if the source has one."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the weights' content; written to the recipe of every run, which can only be \
reproduced with these weights."""
    freeze: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=200)]],
        Field(default_factory=list, max_length=100),
    ]
    """Parameters to freeze, by name prefix: 'discriminator.layers.0-2'. A part may be a range of \
numbers or contain '*'."""

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        if self.source is None and not self.freeze:
            raise ValueError("names neither weights to start from (from) nor any to freeze")
        if self.source is None and self.sha256 is not None:
            raise ValueError("has a sha256 but names no weights; add from = ...")
        return self


class Measure(Table):
    """When the recipe's metrics are computed, and on how many images."""

    every: CountOrNone = 0
    """Steps between evaluations; 0 for one at the end only."""
    protocol: Literal["own", "studiogan-2021", "mimicry", "stylegan", "digits"] = "own"
    """Protocol of published scores: sets samples, reference, split, network, mode and checkpoint \
(`ganzoo show protocol`); 'own' uses the values set here."""
    samples: Annotated[int, Field(ge=2, le=10**7)] = 2000
    """Number of fakes to score."""
    reference: Annotated[int, Field(ge=2, le=10**7)] = 10_000
    """Number of real images to compare with."""
    split: Literal["train", "test"] = "train"
    """Split that the real images come from."""
    network: Literal["auto", "classifier", "random", "inception", "dinov2", "clip"] = "auto"
    """Feature network: 'auto' is the dataset's own classifier if it has labels, otherwise \
'random'."""
    mode: Literal["eval", "train"] = "eval"
    """Mode of the generator when it makes the fakes."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of latents and choices, the same for every run so that scores can be compared."""
    checkpoint: Literal["last", "best"] = "last"
    """Which of a run's evaluations counts as its score."""
    standing: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Batches of 250 fakes over which batch norm's statistics are recomputed before fakes are \
scored (BigGAN's standing statistics); 0 keeps those from training."""

    @model_validator(mode="before")
    @classmethod
    def _protocol_decides(cls, keys: Any) -> Any:
        return filled(keys) if isinstance(keys, dict) else keys

    @model_validator(mode="after")
    def _statistics_are_used(self) -> Self:
        if self.standing and self.mode == "train":
            raise ValueError(
                "standing statistics are for mode = 'eval'; in 'train' batch norm uses those of "
                "each batch; leave 'standing' or 'mode' out"
            )
        return self


class Optimizers(Table):
    """One optimizer for each network."""

    generator: Annotated[OptimizerSpec, ByUse()]
    """Moves the generator's weights."""
    discriminator: Annotated[OptimizerSpec, ByUse()]
    """Moves the discriminator's weights."""


class Recipe(Table):
    """Everything that determines a run's result."""

    requires: list[str] = Field(default_factory=list)
    """Plugins the recipe needs, by distribution name."""
    fallback: str | None = Field(default=None, exclude=True)
    """Shipped recipe that is run instead if this one's dataset is not available. It is not part \
of a run: neither frozen with it, nor inherited."""
    train: Train
    latent: Latent = Latent()
    dataset: Annotated[DatasetSpec, ByUse()]
    """Real images."""
    generator: Annotated[GeneratorSpec, ByUse()]
    """Makes images from latents."""
    discriminator: Annotated[DiscriminatorSpec, ByUse()]
    """Scores images."""
    loss: Annotated[LossSpec, ByUse()]
    """What each side minimises."""
    optimizer: Optimizers
    regularizer: Annotated[
        list[Annotated[RegularizerSpec, ByUse()]], Field(default_factory=list, max_length=32)
    ]
    """Penalties and constraints, in the order they are applied."""
    step: Annotated[StepSpec, ByUse(), Field(default_factory=dict, validate_default=True)]
    """One update of all players."""
    samples: Samples = Samples()
    checkpoint: Checkpoint = Checkpoint()
    ema: Ema | None = None
    measure: Measure = Measure()
    metric: Annotated[
        list[Annotated[MetricSpec, ByUse()]], Field(default_factory=list, max_length=32)
    ]
    """Metrics of the generator's images."""
    view: Annotated[list[Annotated[ViewSpec, ByUse()]], Field(default_factory=list, max_length=32)]
    """Changes to what the discriminator sees of real images and fakes, applied in this order."""
    init: Init | None = None

    @model_validator(mode="after")
    def _begins_with_players(self) -> Self:
        if self.init is None:
            return self
        players, init = list(self.step.players), self.init
        if "networks" not in init.model_fields_set:
            if init.networks != players:
                whole = init.model_copy(update={"networks": players})
                self.__dict__["init"] = whole  # a recipe is frozen, and this is its default
            return self
        if strange := [name for name in init.networks if name not in players]:
            named = ", ".join(map(repr, strange))
            near = suggest(strange[0], players, then=f"there are {', '.join(players)}")
            raise ValueError(f"init.networks: step {self.step.use!r} has no player {named}{near}")
        return self

    @model_validator(mode="after")
    def _numbers_agree(self) -> Self:
        if self.samples.at_start and self.train.count_from == 0:
            raise ValueError(
                "samples.at_start numbers the untrained generator's sheet 0, as train.count_from "
                "= 0 does the first step's; leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        train, step = self.train, self.step
        if train.shards > 1 and (why := step.refuses("shards")):
            raise ValueError(why)
        if train.sync_norm and step.accumulate > 1:
            raise ValueError(
                "train.sync_norm needs the images of a process in one piece, and step.accumulate "
                f"= {step.accumulate} cuts them; set it to 1, or leave sync_norm out"
            )
        return self

    @model_validator(mode="after")
    def _labels_match(self) -> Self:
        uses_labels = self.generator.uses_labels or self.discriminator.uses_labels
        if (uses_labels or "labels" in self.loss.needs) and (why := self.step.refuses("labels")):
            raise ValueError(why)
        return self


def freeze(recipe: Recipe) -> str:
    """Return the recipe as TOML with every default filled in; it reads back equal, as a run's."""
    return tomli_w.dumps(_tables(recipe))


def digest(recipe: Recipe) -> str:
    """Return the SHA-256 of everything in the recipe, defaults included, as hexadecimal."""
    canonical = json.dumps(_tables(recipe), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


BUDGET = ("train.epochs", "train.steps")
"""The only keys that may differ when a run goes on."""


def differences(a: Recipe, b: Recipe) -> list[tuple[str, object, object]]:
    """Return the keys in which two recipes differ, dotted, with both values; None for no value."""
    return differing(*({k: v for k, v in dotted(_tables(it)).items() if v != []} for it in (a, b)))


def plain(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as JSON holds it, defaults included; see ``departures``."""
    found: dict[str, Any] = json.loads(json.dumps(_tables(recipe), default=str))
    return found


def departures(was: Any, now: Any, key: str = "") -> list[tuple[str, object, object]]:
    """Return the dotted keys in which a recipe is not what ``plain`` once returned, both values.

    A key that was not known then and has its default now makes no difference.
    """
    if isinstance(now, BaseModel) and isinstance(was, dict):
        use = getattr(now, "use", None)
        before = was.get("use", default_of(now) or None)
        if use != before:
            return [(f"{key}.use", before, use)]
        fields = type(now).model_fields
        found: list[tuple[str, object, object]] = [
            (_below(key, name), was[name], None)
            for name in was.keys() - {*keys_of(type(now)), "use"}
        ]
        for own, field in fields.items():
            value, name = getattr(now, own), field.alias or own
            if field.exclude:
                continue
            if name in was:
                found += departures(was[name], value, _below(key, name))
            elif value is not None and not _goes_without_saying(value, field):
                found.append((_below(key, name), None, _plain(value)))
        return found
    if isinstance(now, list) and isinstance(was, list) and len(now) == len(was):
        pairs = enumerate(zip(was, now, strict=True))
        return [each for n, pair in pairs for each in departures(*pair, _below(key, str(n)))]
    return [] if _plain(now) == was else [(key, was, _plain(now))]


def _goes_without_saying(value: Any, field: FieldInfo) -> bool:
    """Return whether a field has its default: a table's own, or a component with all of its."""
    default = field.get_default(call_default_factory=True)
    is_component = isinstance(value, Spec) and value.use == default_of(value)
    return bool(value == (type(value)() if is_component and default == {} else default))


def keys_of(table: type[BaseModel]) -> list[str]:
    """Return the keys that a table may have, as recipes write them."""
    return [field.alias or name for name, field in table.model_fields.items()]


def _below(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _plain(value: Any) -> Any:
    content = value.model_dump(exclude_none=True) if isinstance(value, BaseModel) else value
    return json.loads(json.dumps(content, default=str))


def _tables(recipe: Recipe) -> dict[str, Any]:
    return recipe.model_dump(exclude_none=True)
