"""Measuring what is already there: a run's newest checkpoint, or a folder of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo.common.data_root import DataRoot, Tell, nobody
from ganzoo.common.errors import GanzooError
from ganzoo.measure.company import Following
from ganzoo.measure.fakes import FAKES, Maker
from ganzoo.measure.features import BATCH
from ganzoo.measure.reference import Bench
from ganzoo.measure.scoring import Scorer, check_names, measurable, named
from ganzoo.measure.select import network_for
from ganzoo.measure.sharing import Sharing
from ganzoo.measure.watch import watch
from ganzoo.plugin.registry import Registry
from ganzoo.plugin.specs import DatasetSpec, MetricSpec
from ganzoo.plugin.types import ImageData, ImageShape
from ganzoo.recipe.model import Measure
from ganzoo.runs import checkpoint
from ganzoo.runs.folder import RunDir, checkpoints
from ganzoo.runs.verdict import verdict
from ganzoo.sampling.model import open_model
from ganzoo.training.feed import pick, shape_of
from ganzoo.training.labels import first_labels
from ganzoo.training.parts import Parts
from ganzoo.training.randomness import observing
from ganzoo.training.state import Measures
from ganzoo.training.together import Group

USUAL = ("frechet", "kernel", "neighbourhoods", "class_histogram")
"""Metrics that are taken where a recipe names none."""
ON_A_SHEET = 10


@dataclass(frozen=True)
class Measured:
    """Scores and what is needed to draw them.

    Attributes:
        result: 'metrics', 'unmeasured' and 'step', as in a run's result.
        some: the first fakes, as stored.
        train: the training images they are held against.
        image: their shape.
        asked: the classes ``[N]`` that those fakes were asked for, if any.
    """

    result: dict[str, Any]
    some: Tensor
    train: ImageData
    image: ImageShape
    asked: Tensor | None = None


def usual(registry: Registry) -> list[MetricSpec]:
    """Return the metrics that are taken where nothing else is said."""
    found = [registry.find("metric", name)() for name in USUAL]
    return [spec for spec in found if isinstance(spec, MetricSpec)]


def measure_run(
    run: RunDir,
    parts: Parts,
    registry: Registry,
    warn: Callable[[str], None],
    tell: Tell = nobody,
) -> Measured:
    """Measure a run at its newest checkpoint, or a generator that has nothing but its weights.

    Args:
        parts: built from its recipe; the checkpoint's weights are put into them.
        tell: is told before a classifier is trained.

    Raises:
        CheckpointError: if there is no checkpoint that can be read.
    """
    if not checkpoints(run.checkpoints) and run.has(run.generator.name):
        return _measure_weights(run, parts, registry, warn, tell)
    path, tensors, state = checkpoint.newest_readable(
        run.checkpoints,
        f"run '{run.path}' has no checkpoint that can be read; train it first",
        warn,
    )
    with checkpoint.fitting(path):
        for name, network in parts.networks.items():
            if name in parts.sides or network in parts.best.values():
                checkpoint.unpack_module(name, network, tensors)
    parts.group.compare({"step": state.step})
    measures = _measures(parts, registry, warn, tell)
    with checkpoint.fitting(path):
        measures.restore(state.measures, state.step)
    measures.take(state.step)
    some, asked = _first(parts)
    result = {"step": state.step, **measures.result()}
    return Measured(result, some, parts.data, parts.shape, asked)


def _measure_weights(
    run: RunDir, parts: Parts, registry: Registry, warn: Callable[[str], None], tell: Tell
) -> Measured:
    """Measure a generator without its discriminator: an exported run, a model that was shipped."""
    model = open_model(run, parts.recipe, parts.machine.device, warn=warn)
    parts.best_generator.load_state_dict(model.network.state_dict())
    measures = _measures(parts, registry, warn, tell, judges=False)
    measures.take(model.step)
    some, asked = _first(parts)
    result = {"step": model.step, **measures.result()}
    return Measured(result, some, parts.data, parts.shape, asked)


def _measures(
    parts: Parts, registry: Registry, warn: Callable[[str], None], tell: Tell, judges: bool = True
) -> Measures:
    """Return what takes the scores, or what helps the first process to."""
    if not parts.group.is_first:
        return Following(parts, registry)
    return watch(parts, registry, warn, asked="yes", tell=tell, judges=judges)


def measure_images(
    images: ImageData,
    dataset: DatasetSpec,
    measure: Measure,
    registry: Registry,
    root: DataRoot,
    warn: Callable[[str], None],
    *,
    metrics: Sequence[MetricSpec] = (),
    tell: Tell = nobody,
    group: Group | None = None,
) -> Measured:
    """Measure images against a dataset, as if a generator had made them.

    All of them are looked at: ``measure.samples`` is set to their number. The floor has fewer
    where there are not as many real images; it says so.

    Args:
        group: the processes that share the work; the first one has the scores.

    Raises:
        GanzooError: if their shape is not the dataset's, or there is but one.
    """
    train = dataset.build(root, "train")
    image = shape_of(train, dataset)
    found = tuple(pick(images, torch.tensor([0])).shape[1:])
    if found != (image.channels, image.height, image.width):
        raise GanzooError(
            f"{images.source}: images are {found}, those of dataset {dataset.use!r} {image}"
        )
    if len(images) < 2:
        raise GanzooError(
            f"{images.source}: it holds {len(images)} image; scores need at least "
            "two, and mean little below a thousand"
        )
    metrics = metrics or usual(registry)
    check_names(metrics)
    measure = measure.model_copy(update={"samples": len(images)})
    group = group or Group()
    with observing():
        with group.first_here():
            network = network_for(measure, dataset, train, image, registry, root, tell=tell)
        bench = Bench(measure, image, train, _test(dataset, root), network)
        group.compare({"feature network": network.sha256, "images": images.fingerprint})
        group.meet()
        bench.share(Sharing(group))
        numbers = torch.arange(len(images))
        bench.sharing.rows[FAKES] = bench.row(
            [(replace(images, labels=None), part) for part in torch.split(numbers, BATCH)]
        )
        some = pick(images, numbers[:ON_A_SHEET])
        if not group.is_first:
            bench.sharing.follow()
            return Measured({}, some, train, image)
        usable, reasons = measurable(metrics, bench)
        scorer = Scorer(bench, usable, ema=False)
        scores = scorer.score_made()
        scorer.floors()
        group.say()
        last = {name: {"value": value} for name, value in scores.items()}
        described = scorer.described(last, {})
    for spec in usable:
        for name in spec.scores:
            described[named(spec, name)]["provenance"]["n_fake"] = len(images)
    for name, reason in reasons.items():
        warn(f"not measured: '{name}': {reason}")
    result = {"metrics": described, "unmeasured": reasons}
    return Measured(result, some, train, image)


def write_result(run: RunDir, measured: Measured) -> bool:
    """Put the scores into the run's result, where it has one of that very step; tell whether."""
    result = run.read_json("result.json")
    if result.get("status") != "done" or result.get("step") != measured.result["step"]:
        return False
    result |= measured.result
    told = verdict(run, result)
    run.write_json("result.json", result | {"verdict": None if told is None else told.kept()})
    return True


def _first(parts: Parts) -> tuple[Tensor, Tensor | None]:
    recipe, labels = parts.recipe, None
    if recipe.generator.uses_labels and parts.data.labels is not None:
        labels = first_labels(parts.data, ON_A_SHEET)
    with observing(parts.best_generator):
        maker = Maker(
            parts.best_generator,
            recipe,
            parts.shape,
            ON_A_SHEET,
            device=parts.machine.device,
            labels=labels,
            inputs=lambda _: _some_inputs(parts),
        )
        return maker.make(0), labels


def _some_inputs(parts: Parts) -> Tensor:
    inputs = parts.data.inputs
    assert inputs is not None
    return torch.stack([inputs[number] for number in range(min(ON_A_SHEET, len(inputs)))])


def _test(dataset: DatasetSpec, root: DataRoot) -> ImageData | None:
    from ganzoo.common.errors import DataError

    try:
        return dataset.build(root, "test")
    except DataError:
        return None


def folder(path: Path, image: ImageShape, registry: Registry, root: DataRoot) -> ImageData:
    """Return the images of a folder or a .zip, which must have that shape.

    Raises:
        DataError: if they cannot be read.
    """
    spec = registry.find("dataset", "folder").model_validate(
        {
            "path": str(path.absolute()),
            "size": [image.height, image.width],
            "channels": image.channels,
        }
    )
    assert isinstance(spec, DatasetSpec)
    return spec.build(root, "train")
