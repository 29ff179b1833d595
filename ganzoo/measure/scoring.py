"""Metrics shown one stream of images: their scores, and the floor that real images give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor

from ganzoo.common.errors import GanzooError
from ganzoo.measure.fakes import FAKES
from ganzoo.measure.networks import SMALLEST
from ganzoo.measure.provenance import provenance
from ganzoo.measure.reference import Bench
from ganzoo.plugin.attempt import attempt
from ganzoo.plugin.specs import MetricSpec
from ganzoo.plugin.types import Seen


@dataclass
class Scorer:
    """The metrics of one run on one bench.

    Attributes:
        metrics: those that can be taken here; see ``able``.
    """

    bench: Bench
    metrics: Sequence[MetricSpec]
    ema: bool
    others: Mapping[str, Scorer] = field(default_factory=dict)
    """Those of other players that make images, by their names."""
    _floors: dict[str, dict[str, Any]] = field(default_factory=dict)

    def score(self, images: Iterable[tuple[Tensor, Tensor | None]]) -> dict[str, float]:
        """Show every metric the same images, as stored, and return the scores by name.

        Args:
            images: batches, each with the labels that were asked for, or None.
        """
        return self._shown(self.metrics, self.bench.look(images))

    def score_made(self) -> dict[str, float]:
        """Score the fakes of the bench's row of that name; see ``fakes.row_of_fakes``."""
        return self._shown(self.metrics, self.bench.sharing.each(FAKES))

    def _shown(self, metrics: Sequence[MetricSpec], looked_at: Iterable[Seen]) -> dict[str, float]:
        meters = [
            attempt(spec, "looking at real images", partial(spec.meter, self.bench))
            for spec in metrics
        ]
        for seen in looked_at:
            for spec, meter in zip(metrics, meters, strict=True):
                attempt(spec, "looking at fakes", partial(meter.add, seen))
        found: dict[str, float] = {}
        for spec, meter in zip(metrics, meters, strict=True):
            scores = attempt(spec, "its scores", meter.result)
            found |= {named(spec, name): float(scores[name]) for name in spec.scores}
        return found

    def floors(self) -> dict[str, dict[str, Any]]:
        """Return what real images outside the reference score in place of fakes, by name."""
        if not self._floors:
            # Scores need two images; a protocol may leave fewer outside its reference.
            able = [spec for spec in self.metrics if spec.has_floor and self.bench.n_floor > 1]
            found = self._shown(able, self.bench.held_out()) if able else {}
            for spec in self.metrics:
                perfect = attempt(spec, "its best scores", partial(spec.perfect, self.bench))
                own = attempt(spec, "its floor", partial(spec.real_scores, self.bench))
                for name in spec.scores:
                    floor: dict[str, Any] = {"value": found.get(named(spec, name))}
                    if name in own:
                        few = min(self.bench.n_fake, self.bench.n_real)
                        split = self.bench.measure.split
                        floor = {"value": float(own[name]), "n": few, "split": split}
                    elif spec in able:
                        floor |= {"n": self.bench.n_floor, "split": self.bench.floor_split}
                    if name in perfect:
                        floor["perfect"] = perfect[name]
                    self._floors[named(spec, name)] = floor
        return self._floors

    def described(
        self, last: Mapping[str, Mapping[str, Any]], best: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return the 'metrics' of a result: values beside floor, scale and provenance."""
        floors = self.floors()
        return {
            named(spec, name): {
                "last": dict(last[named(spec, name)]),
                "best": dict(best.get(named(spec, name), last[named(spec, name)])),
                "floor": floors[named(spec, name)],
                "lower_is_better": scale.lower_is_better,
                "positive": scale.positive,
                "provenance": provenance(self.bench, spec, ema=self.ema),
            }
            for spec in self.metrics
            for name, scale in spec.scores.items()
            if named(spec, name) in last
        }


def named(spec: MetricSpec, score: str) -> str:
    """Return the name of a score in logs and results: the metric's label goes before it."""
    return f"{spec.label}_{score}" if spec.label else score


def check_names(metrics: Sequence[MetricSpec]) -> None:
    """Do nothing if all scores have names of their own.

    Raises:
        GanzooError: naming a score that two metrics give.
    """
    owner: dict[str, MetricSpec] = {}
    for spec in metrics:
        for name in spec.scores:
            full = named(spec, name)
            if full in owner:
                raise GanzooError(
                    f"metric {spec.use!r}: its score {full!r} is also one of metric "
                    f'{owner[full].use!r}; give one of them a label, e.g. label = "second"'
                )
            owner[full] = spec


def measurable(
    metrics: Sequence[MetricSpec], bench: Bench
) -> tuple[list[MetricSpec], dict[str, str]]:
    """Return the metrics that can be taken on this bench, and why the others cannot, by score."""
    if min(bench.n_real, bench.n_fake) < 2:
        few = (
            f"{bench.n_real} real images for {bench.n_fake} fakes; scores need at "
            "least two of each, which takes a dataset of four images"
        )
        return [], {named(spec, name): few for spec in metrics for name in spec.scores}
    lacking = {}
    if not bench.num_classes:
        lacking["classes"] = f"the feature network {bench.network.name!r} has no class labels"
    if bench.train.labels is None:
        lacking["labels"] = "the dataset has no labels"
    if bench.train.labels is None or not bench.image.num_classes:
        lacking["classifier"] = "the data has no classes to train a classifier on"
    elif min(bench.image.height, bench.image.width) < SMALLEST:
        lacking["classifier"] = f"a classifier needs images of {SMALLEST}×{SMALLEST} or more"
    if bench.test is None:
        lacking["test"] = "the dataset has no test images"
    elif bench.measure.split == "test":
        lacking["test"] = "the test images are the reference (measure.split)"
    if not bench.has_pairs:
        lacking["pairs"] = "no image has a target that it should be"
    if not bench.has_asked_labels:
        lacking["asked_labels"] = "the generator takes no labels"
    if bench.discriminate is None:
        lacking["discriminator"] = "no discriminator judges plain single images"
    usable: list[MetricSpec] = []
    reasons: dict[str, str] = {}
    for spec in metrics:
        missing = [lacking[need] for need in sorted(spec.needs) if need in lacking]
        if missing:
            reasons |= {named(spec, name): "; ".join(missing) for name in spec.scores}
        else:
            usable.append(spec)
    return usable, reasons
