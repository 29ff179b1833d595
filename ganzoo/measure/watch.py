"""A run's measures while it trains: when they are due, what was last and what was best."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from ganzoo.common.data_root import Tell, nobody
from ganzoo.common.errors import CheckpointError, GanzooError
from ganzoo.common.text import duration
from ganzoo.measure.benches import bench_back, bench_of, ways_back
from ganzoo.measure.classifier import UNASKED, NotPrepared
from ganzoo.measure.company import leading
from ganzoo.measure.scoring import Scorer, check_names, measurable, named
from ganzoo.plugin.registry import Registry
from ganzoo.plugin.specs import MetricSpec
from ganzoo.runs.log import MEASURES
from ganzoo.sampling.standing import refuse_without_norms
from ganzoo.training.randomness import observing

if TYPE_CHECKING:
    from ganzoo.training.parts import Parts


Asked = Literal["no", "soon", "yes"]
Late = Callable[[float], tuple["Scorer | None", dict[str, str]]]
"""From the seconds that the training takes to what takes the scores, and why some are not."""


@dataclass
class Watch:
    """The measures of one run.

    Attributes:
        scorer: None where nothing can be measured, or not yet.
        unmeasured: why a score is not taken, by its name.
        last: the newest value and its step, by score.
        best: the best value and its step, by score; kept apart from the last everywhere.
    """

    parts: Parts
    scorer: Scorer | None
    unmeasured: dict[str, str]
    last: dict[str, dict[str, float]] = field(default_factory=dict)
    best: dict[str, dict[str, float]] = field(default_factory=dict)
    late: Late | None = None
    """Prepares the scorer when it is first wanted, knowing how long the training takes."""
    _begun: tuple[int, float] | None = None

    def is_due(self, step: int) -> bool:
        """Tell whether the run is measured after ``step`` steps: at the cadence and at the end."""
        if self._begun is None:
            self._begun = step - 1, time.monotonic()
        every = self.parts.recipe.measure.every
        at_cadence = every > 0 and step % every == 0
        is_able = self.scorer is not None or self.late is not None
        return is_able and (at_cadence or step == self.parts.steps)

    def take(self, step: int) -> dict[str, float]:
        """Measure the generator as it is after ``step`` steps; return the log's entries."""
        if self.late is not None:
            late, self.late = self.late, None
            self.scorer, self.unmeasured = late(self._training_seconds(step))
        found = dict[str, float]()
        for player, scorer in self._scorers():
            sides = (side.network for side in self.parts.sides.values())
            with (
                observing(self.parts.best[player], *sides),
                leading(self.parts, player, scorer.bench),
            ):
                found |= scorer.score_made()
                if self.parts.group.count > 1:
                    scorer.floors()  # now that the others help
            for spec in scorer.metrics:
                for score, scale in spec.scores.items():
                    name = named(spec, score)
                    self._remember(name, found[name], step, lower=scale.lower_is_better)
        self.parts.group.say()  # the others go on
        return {MEASURES + name: value for name, value in found.items()}

    def _scorers(self) -> list[tuple[str, Scorer]]:
        """Return what scores each player that makes images, the run's generator first."""
        if self.scorer is None:
            return []
        return [(self.parts.made_by, self.scorer), *self.scorer.others.items()]

    def _training_seconds(self, step: int) -> float:
        """Return how long the whole training takes, by the steps made since it was watched."""
        if self._begun is None:
            return math.inf
        before, begun = self._begun
        return (time.monotonic() - begun) / max(1, step - before) * self.parts.steps

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
                for _, scorer in self._scorers():
                    metrics |= scorer.described(self.last, self.best)
        return {"metrics": metrics, "unmeasured": self.unmeasured}

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"last": self.last, "best": self.best}

    def restore(self, state: Mapping[str, Any], step: int) -> None:
        """Remember what ``state()`` returned after ``step`` steps.

        Raises:
            CheckpointError: if it is something else, or of steps that were not made yet.
        """
        self.last = _entries(state.get("last", {}), step)
        self.best = _entries(state.get("best", {}), step)


def _entries(found: Any, made: int) -> dict[str, dict[str, float]]:
    """Return scores as a checkpoint has them, where NaN is null."""
    try:
        entries = {
            name: {
                "value": math.nan if entry["value"] is None else float(entry["value"]),
                "step": int(entry["step"]),
            }
            for name, entry in found.items()
        }
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise CheckpointError("'measures' is not a value and a step for each score") from error
    for name, entry in entries.items():
        if not 0 <= entry["step"] <= made:
            raise CheckpointError(
                f"'measures' has {name!r} of step {entry['step']}, but only {made} were trained"
            )
    return entries


def watch(
    parts: Parts,
    registry: Registry,
    warn: Callable[[str], None],
    *,
    asked: Asked = "no",
    tell: Tell = nobody,
    judges: bool = True,
) -> Watch:
    """Prepare the measures of a run before its first step.

    A metric that cannot be taken on this data is told and left out. A classifier that has to be
    trained first and was not asked for waits until the training's own time is known, and is left
    out, as all metrics then are, where it would take longer than that, or than a minute.

    Args:
        asked: whether scores were asked for: 'no' by a run, 'yes' by who wants nothing else; 'soon'
            by who compares runs, and need not wait for the first of them.
        tell: is told before a classifier is trained.
        judges: whether the discriminator has its trained weights.

    Raises:
        NotPrepared: if that classifier takes more than a minute and the recipe measures on the way.
        GanzooError: if two metrics give the same score, or a feature network is damaged.
    """
    recipe = parts.recipe
    check_names(recipe.metric)
    if not recipe.metric:
        return Watch(parts, None, {})

    if recipe.measure.checkpoint == "best" and not recipe.measure.every and asked != "yes":
        warn(
            f"measure.checkpoint = 'best' (protocol '{recipe.measure.protocol}'), and a run is "
            "measured at its end only; add measure.every to find its best checkpoint"
        )

    if recipe.measure.standing:
        refuse_without_norms(parts.best_generator)

    def opened(budget: float, reason: str) -> tuple[Scorer | None, dict[str, str]]:
        with observing():
            bench = bench_of(parts, registry, budget=budget, reason=reason, tell=tell)
        if not judges:
            bench = replace(bench, discriminate=None)
        usable, reasons = measurable(recipe.metric, bench)
        for name, why in reasons.items():
            warn(f"not measured: '{name}': {why}")
        if asked == "yes" and not usable:
            raise GanzooError("none of the recipe's metrics can be computed on its data")
        has_ema = parts.average is not None
        scorer = Scorer(bench, usable, ema=has_ema) if usable else None
        if scorer is not None:
            with observing():
                others = {name: bench_back(parts, name, registry) for name in ways_back(parts)}
            for name, each in others.items():
                able, _ = measurable(called_after(name, usable), each)
                if able:
                    scorer.others = {**scorer.others, name: Scorer(each, able, ema=has_ema)}
        return scorer, reasons

    def left_out(error: NotPrepared) -> dict[str, str]:
        warn(f"not measured: {error}\nmeasure this run later with: ganzoo measure last")
        names = [named(spec, score) for spec in recipe.metric for score in spec.scores]
        return dict.fromkeys(names, str(error))

    def late(seconds: float) -> tuple[Scorer | None, dict[str, str]]:
        reason = f"longer than the training itself ({duration(seconds)})"
        try:
            return opened(min(seconds, UNASKED), reason)
        except NotPrepared as error:
            return None, left_out(error)

    budget = {"no": 0.0, "soon": UNASKED, "yes": math.inf}[asked]
    try:
        return Watch(parts, *opened(budget, "too long to start automatically"))
    except NotPrepared as error:
        if asked == "no" and error.seconds <= UNASKED:
            return Watch(parts, None, {}, late=late)
        if recipe.measure.every:
            raise
        return Watch(parts, None, left_out(error))


def called_after(player: str, metrics: Sequence[MetricSpec]) -> list[MetricSpec]:
    """Return metrics whose scores bear the name of a way back."""
    word = player.removeprefix("generator_")
    return [
        spec.model_copy(update={"label": f"{spec.label}_{word}" if spec.label else word})
        for spec in metrics
    ]
