"""A run's measures while it trains: when they are due, what was last and what was best."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo.common.errors import CheckpointError, DataError, GanzooError
from ganzoo.measure.classifier import NotPrepared
from ganzoo.measure.reference import Bench
from ganzoo.measure.scoring import Scorer, check_names, fakes, measurable, named
from ganzoo.measure.select import network_for
from ganzoo.plugin.registry import Registry
from ganzoo.plugin.specs import DatasetSpec
from ganzoo.plugin.types import ImageData
from ganzoo.runs.log import MEASURES
from ganzoo.training.half_step import seen_shape
from ganzoo.training.precision import named as named_outputs
from ganzoo.training.randomness import observing

if TYPE_CHECKING:
    from ganzoo.training.parts import Parts


@dataclass
class Watch:
    """The measures of one run.

    Attributes:
        scorer: None where nothing can be measured.
        unmeasured: why a score is not taken, by its name.
        last: the newest value and its step, by score.
        best: the best value and its step, by score; kept apart from the last everywhere.
    """

    parts: Parts
    scorer: Scorer | None
    unmeasured: dict[str, str]
    last: dict[str, dict[str, float]] = field(default_factory=dict)
    best: dict[str, dict[str, float]] = field(default_factory=dict)

    def is_due(self, step: int) -> bool:
        """Tell whether the run is measured after ``step`` steps: at the cadence and at the end."""
        every = self.parts.recipe.measure.every
        at_cadence = every > 0 and step % every == 0
        return self.scorer is not None and (at_cadence or step == self.parts.steps)

    def take(self, step: int) -> dict[str, float]:
        """Measure the generator as it is after ``step`` steps; return the log's entries."""
        assert self.scorer is not None
        recipe, generator = self.parts.recipe, self.parts.best_generator
        with observing(generator, self.parts.discriminator.network):
            images = fakes(
                generator,
                recipe,
                self.parts.shape,
                self.scorer.bench.n_fake,
                device=self.parts.machine.device,
                labels=self.scorer.bench.asked(),
            )
            found = self.scorer.score(images)
        for spec in self.scorer.metrics:
            for score, scale in spec.scores.items():
                name = named(spec, score)
                self._remember(name, found[name], step, lower=scale.lower_is_better)
        return {MEASURES + name: value for name, value in found.items()}

    def _remember(self, name: str, value: float, step: int, *, lower: bool) -> None:
        entry = {"value": value, "step": step}
        self.last[name] = entry
        best = self.best.get(name, {"value": math.inf if lower else -math.inf})["value"]
        if value < best if lower else value > best:
            self.best[name] = entry

    @property
    def best_step(self) -> int | None:
        """The step at which the first score was best; None before anything was measured."""
        first = next(iter(self.best.values()), None)
        return None if first is None else int(first["step"])

    def result(self) -> dict[str, Any]:
        """Return what a result says of the measures."""
        metrics: dict[str, Any] = {}
        if self.scorer is not None and self.last:
            with observing():
                metrics = self.scorer.described(self.last, self.best)
        return {"metrics": metrics, "unmeasured": self.unmeasured}

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"last": self.last, "best": self.best}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Remember what ``state()`` returned."""
        self.last = _entries(state.get("last", {}))
        self.best = _entries(state.get("best", {}))


def _entries(found: Any) -> dict[str, dict[str, float]]:
    """Return scores as a checkpoint has them, where NaN is null.

    Raises:
        CheckpointError: if they are something else.
    """
    try:
        return {
            name: {
                "value": math.nan if entry["value"] is None else float(entry["value"]),
                "step": int(entry["step"]),
            }
            for name, entry in found.items()
        }
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise CheckpointError("'measures' is not a value and a step for each score") from error


def watch(
    parts: Parts, registry: Registry, warn: Callable[[str], None], *, postpone: bool = True
) -> Watch:
    """Prepare the measures of a run before its first step.

    A metric that cannot be taken on this data is told and left out. So are all, where the data
    set's classifier has to be trained first and measuring can be made up for at the end.

    Raises:
        NotPrepared: if that classifier is missing and the recipe measures on the way, or measuring
            is not to be postponed.
        GanzooError: if two metrics give the same score, or a feature network is damaged.
    """
    recipe = parts.recipe
    check_names(recipe.metric)
    if not recipe.metric:
        return Watch(parts, None, {})
    everything = [named(spec, score) for spec in recipe.metric for score in spec.scores]
    try:
        with observing():
            bench = bench_of(parts, registry)
    except NotPrepared as error:
        if recipe.measure.every or not postpone:
            raise
        warn(f"not measured: {error}\nthen measure this run afterwards: ganzoo measure last")
        return Watch(parts, None, dict.fromkeys(everything, str(error)))
    usable, reasons = measurable(recipe.metric, bench)
    for name, reason in reasons.items():
        warn(f"not measured: '{name}': {reason}")
    if not postpone and not usable:
        raise GanzooError("none of the recipe's metrics can be taken on its data")
    scorer = Scorer(bench, usable, ema=parts.average is not None) if usable else None
    return Watch(parts, scorer, reasons)


def bench_of(parts: Parts, registry: Registry) -> Bench:
    """Return what the run's fakes are held against."""
    recipe, device = parts.recipe, parts.machine.device
    network = network_for(
        recipe.measure, parts.dataset, parts.data, parts.shape, registry, parts.root
    )
    discriminator = parts.discriminator.network
    seen = seen_shape(recipe.view, parts.shape)

    @torch.no_grad()
    def discriminate(images: Tensor) -> Tensor:
        discriminator.eval()
        return named_outputs(discriminator(images.to(device)), "logits")["logits"]

    return Bench(
        recipe.measure,
        parts.shape,
        parts.data,
        test_images(parts.dataset, parts),
        network.to(device),
        None if recipe.discriminator.uses_labels or seen != parts.shape else discriminate,
        has_asked_labels=recipe.generator.uses_labels and parts.data.labels is not None,
        progress=parts.root.progress,
    )


def test_images(dataset: DatasetSpec, parts: Parts) -> ImageData | None:
    """Return the data set's test images, or None where it has none.

    Raises:
        GanzooError: if they are the reference and are not there.
    """
    try:
        return dataset.build(parts.root, "test")
    except DataError as error:
        if parts.recipe.measure.split == "test":
            raise GanzooError(f"measure.split = 'test': {error}") from error
        return None
