"""From a recipe to its parts: data, networks, optimizers, and what they come to."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganzoo.common.data_root import DataRoot
from ganzoo.common.errors import DataError, GanzooError, MachineError
from ganzoo.common.fetch import FetchError
from ganzoo.plugin.attempt import attempt
from ganzoo.plugin.ramps import at_step, ramps_of
from ganzoo.plugin.registry import Registry
from ganzoo.plugin.specs import (
    DatasetSpec,
    DiscriminatorSpec,
    GeneratorSpec,
    OptimizerSpec,
    Spec,
)
from ganzoo.plugin.table import Table
from ganzoo.plugin.types import ImageData, ImageShape
from ganzoo.recipe.model import Recipe
from ganzoo.runs.given import Given, with_content
from ganzoo.training.beginning import Beginning, begin_with, frozen_by
from ganzoo.training.cuda_graph import CudaRecorder, GraphStep
from ganzoo.training.ema import Average
from ganzoo.training.feed import Batch, Feed, shape_of, some_inputs
from ganzoo.training.half_step import owners, seen_shape
from ganzoo.training.machine import Machine
from ganzoo.training.own_step import OwnStep
from ganzoo.training.precision import cast_of
from ganzoo.training.randomness import Noise, key
from ganzoo.training.same_data import lying_at
from ganzoo.training.shards import Cut
from ganzoo.training.step import AdversarialStep, Ramps, Side, cut_of
from ganzoo.training.threads import TRIED, with_suited_threads
from ganzoo.training.together import Group

_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}")
REST = "average_rest"
"""Name in a checkpoint of what the average's weights lack; those of before have none."""


class TrainingStep(Protocol):
    """Makes one step; see ``AdversarialStep``."""

    def __call__(
        self, step: int, next_batch: Callable[[int], Batch], *, observe: bool = False
    ) -> dict[str, Tensor]:
        """Make step number ``step``; return its terms, scalars on the device."""
        ...


@dataclass
class Parts:
    """All parts of a run, built and on the device."""

    recipe: Recipe
    machine: Machine
    data: ImageData
    data_name: str
    data_reason: str
    """Why the recipe's own dataset was not used; empty where it was."""
    shape: ImageShape
    noise: Noise
    feed: Feed
    sides: Mapping[str, Side]
    """The players: networks with optimizers, by name."""
    averages: Mapping[str, Average]
    """Running averages of those that make images, by name."""
    step: TrainingStep
    steps: int
    """Steps of the whole run."""
    dataset: DatasetSpec
    """The dataset that is trained on: the recipe's own, or its fallback."""
    root: DataRoot
    memory: Mapping[str, nn.Module] = field(default_factory=dict)
    """Modules of the step that are not trained and remember something, by name."""
    own: Mapping[str, nn.Module] = field(default_factory=dict)
    """Modules that components own, by their places: 'loss', 'regularizer.0', 'view.1'."""
    ramps: Ramps = field(default_factory=lambda: Ramps({}, 1))
    """The numbers of the recipe that move."""
    frozen: Sequence[str] = ()
    """Parameters that are not trained, as init.freeze says."""
    beginning: Beginning | None = None
    """The weights that the networks began with, where some were given."""
    group: Group = field(default_factory=Group)
    """The processes that make the run together."""
    examples: Mapping[str, tuple[Tensor, ...]] = field(default_factory=dict)
    """What each player is called with for a few images: zeros."""
    wanted: str = ""
    """The data set of the recipe in whose place this one is run; empty where it is none's."""
    stands_in: str = ""
    """The recipe's name, where it is run in place of the one that was asked for."""

    def begin_with(self, given: Given) -> None:
        """Begin with weights that were given, and name them in the recipe.

        Raises:
            CheckpointError: if nothing of them fits.
        """
        init = self.recipe.init
        assert init is not None
        networks = {name: side.network for name, side in self.sides.items()}
        if strange := given.networks.keys() - networks.keys():
            raise GanzooError(
                f"init.networks: step {self.recipe.step.use!r} has no player {min(strange)!r}; "
                f"there are {', '.join(networks)}"
            )
        self.beginning = begin_with(given, networks, init.source or "")
        self.recipe = with_content(self.recipe, given.sha256)
        for name, average in self.averages.items():
            average.network.load_state_dict(self.sides[name].network.state_dict())

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Every module that is trained or remembers something, by its name in a checkpoint."""
        averages: dict[str, nn.Module] = {}
        for name, average in self.averages.items():
            # The run's generator is averaged under the name that it has always had.
            ending = "" if name == self.made_by else f".{name}"
            averages[f"average{ending}"] = average.network
            if average.rest is not None:
                averages[f"{REST}{ending}"] = average.rest
        return {
            **{name: side.network for name, side in self.sides.items()},
            **averages,
            **{f"memory/{name}": module for name, module in self.memory.items()},
            **{f"own/{place}": module for place, module in self.own.items()},
        }

    @property
    def made_by(self) -> str:
        """The name of the run's generator among the players."""
        return self.recipe.step.makers()[0]

    @property
    def generator(self) -> Side:
        """The run's generator."""
        return self.sides[self.made_by]

    @property
    def discriminator(self) -> Side:
        """The discriminator, of a step that has one of that name."""
        return self.sides["discriminator"]

    @property
    def average(self) -> Average | None:
        """The running average of the run's generator."""
        return self.averages.get(self.made_by)

    @property
    def best(self) -> dict[str, nn.Module]:
        """The networks that make images, as they are looked at and shared: averaged if they are."""
        found = {name: self.sides[name].network for name in self.recipe.step.makers()}
        return found | {name: average.network for name, average in self.averages.items()}

    @property
    def best_generator(self) -> nn.Module:
        """The generator that is looked at and shared: the average where there is one."""
        return self.best[self.made_by]

    def given(self, latents: Tensor) -> Tensor:
        """Return what the generator is shown where nobody trains it: latents, or some inputs."""
        if not self.recipe.generator.translates:
            return latents
        return some_inputs(self.data, self.shape, len(latents)).to(latents.device)

    def epoch(self, steps: int) -> float:
        """Return how many passes over the data ``steps`` steps are."""
        return self.feed.order.epochs_done(steps * self.recipe.step.batches())

    def ends_epoch(self, steps: int) -> bool:
        """Return whether a pass over the data was completed in step number ``steps`` (from 1)."""
        return int(self.epoch(steps)) > int(self.epoch(steps - 1))

    def images_per_step(self) -> int:
        """Return how many real images one step sees."""
        return self.recipe.train.batch_size * self.recipe.step.batches()

    def facts(self) -> dict[str, Any]:
        """Return what the run consists of, for its record."""
        return {
            "data": {
                "name": self.data_name,
                "wanted": self.wanted or self.recipe.dataset.use,
                "reason": self.data_reason,
                "source": self.data.source,
                "images": len(self.data),
                "shape": str(self.shape),
                "classes": list(self.data.classes),
                "label_shape": list(self.shape.label_shape),
                **({"input_shape": list(self.shape.input_shape)} if self.shape.input_shape else {}),
                "fingerprint": self.data.fingerprint,
                "notes": list(self.data.notes),
            },
            "parameters": {
                name: count_parameters(side.network) for name, side in self.sides.items()
            },
            "steps": self.steps,
        }


class LackingError(DataError):
    """The data set is not to be had, and another recipe is run in place of this one."""


def assemble(
    recipe: Recipe,
    registry: Registry,
    root: DataRoot,
    machine: Machine,
    *,
    warn: Callable[[str], None],
    allow_fallback: bool = True,
    may_give_way: bool = False,
    data_path: str | None = None,
    group: Group | None = None,
    cut: Cut | None = None,
) -> Parts:
    """Build everything that ``recipe`` names.

    Args:
        may_give_way: whether the recipe's fallback recipe is preferred to its other data set.
        data_path: where own images lie here, in place of dataset.path; see ``same_data``.
        group: the processes that make the run together.
        cut: how batches are cut among them; default: as the recipe says.

    Raises:
        LackingError: where its fallback recipe is to be run.
        GanzooError: if a part cannot be built or the parts do not fit.
    """
    group = group or Group()
    cut = cut or cut_of(recipe, group)
    asked = lying_at(recipe.dataset, data_path)
    with group.first_here():  # what is downloaded and unpacked is so once a machine
        gives_way = may_give_way and recipe.fallback is not None
        data, dataset, reason = _data(asked, registry, root, warn, allow_fallback, gives_way)
    called = dataset.use
    if len(data) < recipe.train.batch_size and recipe.train.order != "replacement":
        raise GanzooError(
            f"dataset {called!r} has {len(data)} images, fewer than train.batch_size = "
            f"{recipe.train.batch_size}; lower it"
        )
    shape = shape_of(data, recipe.dataset)
    seed, device = recipe.train.seed, machine.device
    refuse_other_inputs(recipe, shape)
    built = Building(recipe, shape, device)
    networks = attempt(recipe.step, "networks()", lambda: recipe.step.networks(built))
    players = players_in(recipe, networks)
    memory = {name: each for name, each in networks.items() if name not in players}
    machine = with_suited_threads(
        machine,
        # Parts of a batch take one thread: their number, and so the bits, shall not depend on how
        # many processes share the processors.
        recipe.train.batch_size if recipe.train.shards == 1 else 0,
        *((players[name], example) for name, example in built.examples.items()),
    )
    frozen = frozen_by(recipe.init, players)
    feed = Feed(data, shape, recipe.train, device, workers=machine.workers, cut=cut)
    refuse_empty_parts(recipe, len(data), cut)
    steps = total_steps(recipe, feed)
    own = _owned(recipe, seed, seen_shape(recipe.view, built.judged), device)
    sides: dict[str, Side] = {}
    left = dict(own)
    for name, network in players.items():
        role, updates = recipe.step.players[name], recipe.step.updates(name)
        spec: OptimizerSpec = getattr(recipe.optimizer, role)
        specs = owners(recipe)
        # What a component owns is trained with the first player of its role.
        taken = [place for place in left if specs[place].trained_with == role]
        owned = [each for place in taken for each in trainable(left.pop(place))]
        moved = trainable(network) + owned
        for other in recipe.step.moves_with(name):
            moved = moved + trainable(players[other])
        first = at_step(spec, lambda ramp: ramp.at(0, steps))
        optimizer = attempt(spec, "building", lambda spec=first, moved=moved: spec.build(moved))  # type: ignore[misc]
        _check_ramps(role, spec, optimizer)
        sides[name] = Side(network, optimizer, spec, steps * updates, moved, updates, owned)
    noise = Noise(seed, device)
    step = step_of(
        recipe, sides, noise, cast_of(machine.precision), memory=memory, own=own, steps=steps,
        group=group if cut.processes == group.count else Group(),
    )  # fmt: skip
    makers = recipe.step.makers() if recipe.ema else []
    return Parts(
        recipe,
        machine,
        data,
        called,
        reason,
        shape,
        noise,
        feed,
        sides,
        {
            name: Average(sides[name].network, recipe.ema.half_life, steps)
            for name in makers
            if recipe.ema
        },
        step_on(machine, step, warn),
        steps,
        dataset,
        root,
        memory,
        own,
        Ramps(moving(recipe), steps),
        frozen,
        None,
        group,
        built.examples,
    )


def refuse_empty_parts(recipe: Recipe, images: int, cut: Cut) -> None:
    """Raise GanzooError where the last batch of an epoch leaves a process without an image."""
    rest = images % recipe.train.batch_size
    is_kept = recipe.train.last_batch == "keep" and recipe.train.order != "replacement"
    if cut.processes > 1 and is_kept and 0 < rest < cut.parts:
        raise GanzooError(
            f"the last batch of an epoch has {rest} of {images:,} images, fewer than the "
            f"{cut.parts} parts that {cut.processes} processes share; use train.last_batch = "
            "'drop', or another train.batch_size"
        )


def moving(recipe: Recipe) -> dict[str, Table]:
    """Return every table of a recipe in which a number may move, by its place."""
    found: dict[str, Table] = {**owners(recipe)}
    for role in ("generator", "discriminator"):
        found[f"optimizer.{role}"] = getattr(recipe.optimizer, role)
    return found if recipe.ema is None else found | {"ema": recipe.ema}


def step_on(
    machine: Machine, plain: AdversarialStep | OwnStep, warn: Callable[[str], None]
) -> TrainingStep:
    """Return the step as ``machine`` makes it quickest: captured, on a GPU that need not be exact.

    GANZOO_GRAPH=0 turns that off.
    """
    is_wanted = os.environ.get("GANZOO_GRAPH", "1") != "0" and not machine.deterministic
    # Several processes read in every step what all of them want, which a graph cannot.
    if machine.device.type != "cuda" or not is_wanted or plain.group.count > 1:
        return plain
    if not plain.recipe.step.is_captured:
        return plain
    return GraphStep(plain, CudaRecorder(machine.device), warn)


def total_steps(recipe: Recipe, feed: Feed) -> int:
    """Return the steps of the run: epochs or steps, whichever comes first."""
    limits = []
    if recipe.train.steps is not None:
        limits.append(recipe.train.steps)
    if recipe.train.epochs is not None:
        batches = feed.order.batches_of(recipe.train.epochs)
        limits.append(-(-batches // recipe.step.batches()))
    return min(limits)


def _owned(
    recipe: Recipe, seed: int, seen: ImageShape, device: torch.device
) -> dict[str, nn.Module]:
    """Build the modules that components ask for."""
    found = {}
    for place, spec in owners(recipe).items():
        # Each has its own seed: one more component leaves the weights of the others alone.
        torch.manual_seed(key(seed, f"weights of {place}"))
        module = attempt(
            spec,
            "module()",
            lambda spec=spec: spec.module(recipe.latent.size, seen),  # type: ignore[misc]
        )
        if module is None:
            continue
        if not isinstance(module, nn.Module):
            raise GanzooError(f"{spec.kind} {spec.use!r}: module() returned no torch module")
        found[place] = module.to(device).train()
    return found


def _check_ramps(role: str, spec: OptimizerSpec, optimizer: Optimizer) -> None:
    """Raise GanzooError where a number shall move that the optimizer does not read again."""
    for name, _ in ramps_of(spec):
        name = name.partition(".")[0]
        if not all(name in group for group in optimizer.param_groups):
            raise GanzooError(
                f"optimizer.{role}.{name} cannot be a ramp: {spec.use!r} reads it once, when it is "
                "built; give one number"
            )


def trainable(network: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that want gradients."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable numbers."""
    return sum(parameter.numel() for parameter in trainable(network))


def _data(
    spec: DatasetSpec,
    registry: Registry,
    root: DataRoot,
    warn: Callable[[str], None],
    allow_fallback: bool,
    gives_way: bool,
) -> tuple[ImageData, DatasetSpec, str]:
    try:
        return attempt(spec, "reading", lambda: spec.build(root)), spec, ""
    except (FetchError, MachineError) as error:
        if gives_way:
            raise LackingError(str(error)) from error
        if spec.fallback is None or not allow_fallback:
            raise
        other = registry.find("dataset", spec.fallback)
        fallback = other.model_validate({"value_range": spec.value_range})
        reason = str(error)
        warn(
            f"DATA: {spec.use!r} is not available, training on {spec.fallback!r} instead, "
            f"as the recipe's 'fallback' allows.\n{reason}"
        )
        assert isinstance(fallback, DatasetSpec)
        return attempt(fallback, "reading", lambda: fallback.build(root)), fallback, reason


class Building:
    """What the networks of a step are built in; see ``ganzoo.api.Setting``.

    Attributes:
        examples: what each network is called with for a few images.
        judged: what the first discriminator is shown, before any view.
    """

    def __init__(self, recipe: Recipe, image: ImageShape, device: torch.device) -> None:
        self.image = self.judged = image
        self.latent_size = recipe.latent.size
        self.examples: dict[str, tuple[Tensor, ...]] = {}
        self._recipe, self._device = recipe, device
        self._has_judge = False

    def generator(self, name: str, image: ImageShape | None = None) -> nn.Module:
        """Build the recipe's generator as player ``name``."""
        image, spec = image or self.image, self._recipe.generator
        network = self._built(spec, name, lambda: spec.build(self.latent_size, image))
        sides = image.input_shape if spec.translates else (self.latent_size,)
        self.examples[name] = _example(spec, torch.zeros(TRIED, *sides))
        return network

    def discriminator(self, name: str, image: ImageShape | None = None) -> nn.Module:
        """Build the recipe's discriminator as player ``name``, behind the recipe's views."""
        image, spec = image or self.image, self._recipe.discriminator
        if not self._has_judge:
            self._has_judge, self.judged = True, image
        seen = seen_shape(self._recipe.view, image)
        network = self._built(spec, name, lambda: spec.build(seen))
        first = torch.zeros(TRIED, seen.channels, seen.height, seen.width)
        self.examples[name] = _example(spec, first)
        return network

    def build(self, name: str, make: Callable[[], nn.Module]) -> nn.Module:
        """Build a network of another kind."""
        return self._built(self._recipe.step, name, make)

    def _built(self, spec: Spec, name: str, make: Callable[[], nn.Module]) -> nn.Module:
        # Each network has its own seed: another discriminator leaves the generator's weights alone.
        seed = self._recipe.train.seed
        is_one = name in {"generator", "discriminator"}
        stream = (
            key(seed, "weights", name == "generator")
            if is_one
            else key(seed, f"weights of player {name}")
        )
        torch.manual_seed(stream)
        network = attempt(spec, "building", make)
        if not isinstance(network, nn.Module):
            who = spec.kind if spec.kind != "step" else f"network {name!r} of step"
            raise GanzooError(f"{who} {spec.use!r}: build() returned no torch module")
        return network.to(self._device).train()


def players_in(recipe: Recipe, networks: object) -> dict[str, nn.Module]:
    """Return the players among the networks of a step.

    Raises:
        GanzooError: where one is missing, or another has weights that nothing would train.
    """
    step = recipe.step
    if not isinstance(networks, Mapping) or not all(
        isinstance(each, nn.Module) for each in networks.values()
    ):
        raise GanzooError(f"step {step.use!r}: networks() returned no mapping of torch modules")
    if odd := [name for name in networks if not _NAME.fullmatch(name)]:
        raise GanzooError(
            f"step {step.use!r}: {odd[0]!r} is not a valid name for a network; use "
            "small letters, digits and '_'"
        )
    if "generator" not in step.players.values():
        raise GanzooError(f"step {step.use!r} has no player of the role 'generator'")
    if missing := [name for name in step.players if name not in networks]:
        raise GanzooError(f"step {step.use!r}: networks() lacks the player {missing[0]!r}")
    for name, network in networks.items():
        if name not in step.players and trainable(network):
            raise GanzooError(
                f"step {step.use!r}: network {name!r} has weights but is not a player; add it to "
                "'players', or set requires_grad = False on its weights"
            )
    return {name: networks[name] for name in step.players}


def refuse_other_inputs(recipe: Recipe, shape: ImageShape) -> None:
    """Raise GanzooError where step, generator and data do not agree on what is translated."""
    step, generator = recipe.step, recipe.generator
    if step.takes_inputs and not shape.input_shape:
        raise GanzooError(
            f"step {step.use!r} translates inputs into images, but dataset "
            f"{recipe.dataset.use!r} has no inputs; use e.g. dataset.use = 'paired'"
        )
    if step.takes_inputs and not generator.translates:
        raise GanzooError(
            f"step {step.use!r} gives its generators images, and generator {generator.use!r} "
            "makes images of latents; use one that translates, e.g. 'unet'"
        )
    if generator.translates and not step.takes_inputs:
        raise GanzooError(
            f"generator {generator.use!r} turns images into images, and step {step.use!r} gives "
            "it latents; use e.g. step.use = 'pix2pix'"
        )


def step_of(
    recipe: Recipe,
    sides: Mapping[str, Side],
    noise: Noise,
    cast: torch.dtype | None,
    *,
    memory: Mapping[str, nn.Module],
    own: Mapping[str, nn.Module],
    steps: int,
    group: Group,
) -> AdversarialStep | OwnStep:
    """Return what makes the steps of a recipe."""
    if not recipe.step.is_in_halves():
        return OwnStep(recipe, sides, noise, cast, memory=memory, own=own, steps=steps, group=group)
    both = sides["generator"], sides["discriminator"]
    return AdversarialStep(recipe, *both, noise, cast, own=own, steps=steps, group=group)


def _example(spec: GeneratorSpec | DiscriminatorSpec, first: Tensor) -> tuple[Tensor, ...]:
    labels = torch.zeros(len(first), dtype=torch.long)
    return (first, labels) if spec.uses_labels else (first,)
