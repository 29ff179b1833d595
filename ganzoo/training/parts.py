"""From a recipe to its parts: data, networks, optimizers, and what they come to."""

from __future__ import annotations

import os
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
from ganzoo.plugin.specs import DatasetSpec, DiscriminatorSpec, GeneratorSpec, OptimizerSpec
from ganzoo.plugin.table import Table
from ganzoo.plugin.types import ImageData, ImageShape
from ganzoo.recipe.model import Recipe
from ganzoo.runs.given import Given, with_content
from ganzoo.training.beginning import Beginning, begin_with, frozen_by
from ganzoo.training.cuda_graph import CudaRecorder, GraphStep
from ganzoo.training.ema import Average
from ganzoo.training.feed import Batch, Feed, shape_of
from ganzoo.training.half_step import owners, seen_shape
from ganzoo.training.machine import Machine
from ganzoo.training.precision import cast_of
from ganzoo.training.randomness import Noise, key
from ganzoo.training.same_data import lying_at
from ganzoo.training.shards import Cut
from ganzoo.training.step import AdversarialStep, Ramps, Side, cut_of
from ganzoo.training.threads import TRIED, with_suited_threads
from ganzoo.training.together import Group

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
    """Why the data set that was asked for is not used; empty where it is."""
    shape: ImageShape
    noise: Noise
    feed: Feed
    generator: Side
    discriminator: Side
    average: Average | None
    step: TrainingStep
    steps: int
    """Steps of the whole run."""
    dataset: DatasetSpec
    """The data set that is trained on: the recipe's own, or its fallback."""
    root: DataRoot
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
        self.beginning = begin_with(given, networks, init.source or "")
        self.recipe = with_content(self.recipe, given.sha256)
        if self.average is not None:
            self.average.network.load_state_dict(self.generator.network.state_dict())

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Every module that is trained or remembers something, by its name in a checkpoint."""
        average: dict[str, nn.Module] = {}
        if self.average is not None:
            average["average"] = self.average.network
            if self.average.rest is not None:
                average[REST] = self.average.rest
        return {
            "generator": self.generator.network,
            "discriminator": self.discriminator.network,
            **average,
            **{f"own/{place}": module for place, module in self.own.items()},
        }

    @property
    def sides(self) -> dict[str, Side]:
        """The networks with optimizers, by name."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    @property
    def best_generator(self) -> nn.Module:
        """The generator that is looked at and shared: the average where there is one."""
        return self.generator.network if self.average is None else self.average.network

    def epoch(self, steps: int) -> float:
        """Return how many passes over the data ``steps`` steps are."""
        return self.feed.order.epochs_done(steps * self.recipe.step.discriminator_updates)

    def ends_epoch(self, steps: int) -> bool:
        """Return whether a pass over the data was completed in step number ``steps`` (from 1)."""
        return int(self.epoch(steps)) > int(self.epoch(steps - 1))

    def images_per_step(self) -> int:
        """Return how many real images one step sees."""
        return self.recipe.train.batch_size * self.recipe.step.discriminator_updates

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
                "fingerprint": self.data.fingerprint,
                "notes": list(self.data.notes),
            },
            "parameters": {
                "generator": count_parameters(self.generator.network),
                "discriminator": count_parameters(self.discriminator.network),
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
) -> Parts:
    """Build everything that ``recipe`` names.

    Args:
        may_give_way: whether the recipe's fallback recipe is preferred to its other data set.
        data_path: where own images lie here, in place of dataset.path; see ``same_data``.
        group: the processes that make the run together.

    Raises:
        LackingError: where its fallback recipe is to be run.
        GanzooError: if a part cannot be built or the parts do not fit.
    """
    group = group or Group()
    cut = cut_of(recipe, group)
    asked = lying_at(recipe.dataset, data_path)
    with group.first_here():  # what is downloaded and unpacked is so once a machine
        gives_way = may_give_way and recipe.fallback is not None
        data, dataset, reason = _data(asked, registry, root, warn, allow_fallback, gives_way)
    name = dataset.use
    if len(data) < recipe.train.batch_size and recipe.train.order != "replacement":
        raise GanzooError(
            f"data set {name!r} has {len(data)} images, fewer than train.batch_size = "
            f"{recipe.train.batch_size}; lower it"
        )
    shape = shape_of(data, recipe.dataset)
    seed, device = recipe.train.seed, machine.device
    generator = _network(
        seed, "generator", lambda: recipe.generator.build(recipe.latent.size, shape), recipe, device
    )
    seen = seen_shape(recipe.view, shape)
    discriminator = _network(
        seed, "discriminator", lambda: recipe.discriminator.build(seen), recipe, device
    )
    machine = with_suited_threads(
        machine,
        # Parts of a batch take one thread: their number, and so the bits, shall not depend on how
        # many processes share the processors.
        recipe.train.batch_size if recipe.train.shards == 1 else 0,
        (generator, _example(recipe.generator, torch.zeros(TRIED, recipe.latent.size))),
        (
            discriminator,
            _example(
                recipe.discriminator, torch.zeros(TRIED, seen.channels, seen.height, seen.width)
            ),
        ),
    )
    networks = {"generator": generator, "discriminator": discriminator}
    frozen = frozen_by(recipe.init, networks)
    feed = Feed(data, shape, recipe.train, device, workers=machine.workers, cut=cut)
    refuse_empty_parts(recipe, len(data), cut)
    steps = total_steps(recipe, feed)
    both = recipe.step.generator_step_trains == "both"
    own = _owned(recipe, seed, seen, device)
    sides = {}
    for role, network, updates in (
        ("generator", generator, recipe.step.generator_updates),
        ("discriminator", discriminator, recipe.step.discriminator_updates),
    ):
        spec: OptimizerSpec = getattr(recipe.optimizer, role)
        specs = owners(recipe)
        owned = [
            parameter
            for place, module in own.items()
            if specs[place].trained_with == role
            for parameter in trainable(module)
        ]
        moved = trainable(network) + owned
        if role == "generator" and both:
            moved = moved + trainable(discriminator)
        first = at_step(spec, lambda ramp: ramp.at(0, steps))
        optimizer = attempt(spec, "building", lambda spec=first, moved=moved: spec.build(moved))  # type: ignore[misc]
        _check_ramps(role, spec, optimizer)
        sides[role] = Side(network, optimizer, spec, steps * updates, moved, updates, owned)
    noise = Noise(seed, device)
    step = AdversarialStep(
        recipe,
        sides["generator"],
        sides["discriminator"],
        noise,
        cast_of(machine.precision),
        own=own,
        steps=steps,
        group=group,
    )
    return Parts(
        recipe,
        machine,
        data,
        name,
        reason,
        shape,
        noise,
        feed,
        sides["generator"],
        sides["discriminator"],
        Average(generator, recipe.ema.half_life, steps) if recipe.ema else None,
        step_on(machine, step, warn),
        steps,
        dataset,
        root,
        own,
        Ramps(moving(recipe), steps),
        frozen,
        None,
        group,
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


def step_on(machine: Machine, plain: AdversarialStep, warn: Callable[[str], None]) -> TrainingStep:
    """Return the step as ``machine`` makes it quickest: captured, on a GPU that need not be exact.

    GANZOO_GRAPH=0 turns that off.
    """
    is_wanted = os.environ.get("GANZOO_GRAPH", "1") != "0" and not machine.deterministic
    # A captured step cannot go back in its random numbers, as parts of a batch do.
    if machine.device.type != "cuda" or not is_wanted or plain.cut.parts > 1:
        return plain
    return GraphStep(plain, CudaRecorder(machine.device), warn)


def total_steps(recipe: Recipe, feed: Feed) -> int:
    """Return the steps of the run: epochs or steps, whichever comes first."""
    limits = []
    if recipe.train.steps is not None:
        limits.append(recipe.train.steps)
    if recipe.train.epochs is not None:
        batches = feed.order.batches_of(recipe.train.epochs)
        limits.append(-(-batches // recipe.step.discriminator_updates))
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
                f"optimizer.{role}.{name} cannot move: {spec.use!r} reads it once, when it is "
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
            f"DATA: {spec.use!r} is not to be had, training on {spec.fallback!r} instead, as the "
            f"recipe's 'fallback' allows.\n{reason}"
        )
        assert isinstance(fallback, DatasetSpec)
        return attempt(fallback, "reading", lambda: fallback.build(root)), fallback, reason


def _example(spec: GeneratorSpec | DiscriminatorSpec, first: Tensor) -> tuple[Tensor, ...]:
    labels = torch.zeros(len(first), dtype=torch.long)
    return (first, labels) if spec.uses_labels else (first,)


def _network(
    seed: int, role: str, build: Callable[[], nn.Module], recipe: Recipe, device: torch.device
) -> nn.Module:
    # Each network has its own seed: another discriminator leaves the generator's weights alone.
    torch.manual_seed(key(seed, "weights", role == "generator"))
    spec = recipe.generator if role == "generator" else recipe.discriminator
    network = attempt(spec, "building", build)
    if not isinstance(network, nn.Module):
        raise GanzooError(f"{role} {spec.use!r}: build() returned no torch module")
    return network.to(device).train()
