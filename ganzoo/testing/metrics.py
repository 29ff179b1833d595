"""What a metric promises: tried on features of known distributions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ganzoo.plugin.specs import MetricSpec
from ganzoo.plugin.types import ImageShape, Seen
from ganzoo.testing.claims import Claim, cases_of
from ganzoo.testing.findings import Case, Note, Report

FEATURES = 6
CLASSES = 4
BATCH = 40
BATCHES = 6


class Known:
    """A reference whose features are normal around one centre for each class."""

    image = ImageShape(1, 4, 4, num_classes=CLASSES)
    num_classes = CLASSES
    n_real = n_fake = BATCH * BATCHES
    seed = 0

    def real(self) -> Iterator[Seen]:
        """Yield the reference."""
        yield from batches(1)

    def unseen(self) -> Iterator[Seen]:
        """Yield images of a test split."""
        yield from batches(2)

    def nearest(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return distance and number of the nearest training image of each."""
        train = torch.cat([seen.images for seen in self.real()]).flatten(1).double()
        distances = torch.cdist(images.flatten(1).double(), train) / (255 * 4)
        found = distances.min(1)
        return found.values.float(), found.indices

    def critic(self, images: Tensor) -> Tensor:
        """Score images by their brightness."""
        return images.flatten(1).double().mean(1).float()

    def classifier(
        self, images: Tensor | None = None, labels: Tensor | None = None
    ) -> Callable[[Tensor], Tensor]:
        """Tell classes by the mean images of each."""
        if images is None or labels is None:
            shown = list(self.real())
            images = torch.cat([seen.images for seen in shown])
            labels = torch.cat([seen.labels for seen in shown if seen.labels is not None])
        pixels = images.flatten(1).double()
        means = torch.stack(
            [
                pixels[labels == label].mean(0) if bool((labels == label).any()) else pixels.mean(0)
                for label in range(CLASSES)
            ]
        )
        return lambda others: -torch.cdist(others.flatten(1).double(), means)


def batches(seed: int) -> list[Seen]:
    """Return batches of one distribution."""
    generator = torch.Generator().manual_seed(seed)
    centres = 2 * torch.eye(CLASSES, FEATURES)
    return [_batch(generator, centres) for _ in range(BATCHES)]


def _batch(generator: torch.Generator, centres: Tensor) -> Seen:
    labels = torch.randint(CLASSES, (BATCH,), generator=generator)
    features = centres[labels] + 0.5 * torch.randn(BATCH, FEATURES, generator=generator)
    images = torch.randint(256, (BATCH, 1, 4, 4), generator=generator, dtype=torch.uint8)
    images[torch.arange(BATCH), 0, labels] = 255  # a class can be seen: it is the bright row
    return Seen(images, features, _probabilities(features, centres), labels)


def _probabilities(features: Tensor, centres: Tensor) -> Tensor:
    return (-torch.cdist(features, centres).square()).softmax(1)


def collapsed() -> list[Seen]:
    """Return batches of one image, far away from all real ones, over and over again."""
    centres = 2 * torch.eye(CLASSES, FEATURES)
    generator = torch.Generator().manual_seed(3)
    made = []
    for _ in range(BATCHES):
        features = 6 + 1e-3 * torch.randn(BATCH, FEATURES, generator=generator)
        features[:, 0] += 3
        images = torch.full((BATCH, 1, 4, 4), 9, dtype=torch.uint8)
        labels = torch.randint(CLASSES, (BATCH,), generator=generator)
        made.append(Seen(images, features, _probabilities(features, centres), labels))
    return made


def fakes(seed: int) -> list[Seen]:
    """Return batches as of real images, each made for the class it shows."""
    return batches(seed)


class Trial:
    """A metric and what it says of batches."""

    def __init__(self, spec: MetricSpec) -> None:
        self.spec = spec

    def score(self, shown: Sequence[Seen]) -> dict[str, float]:
        """Return the scores of fakes that come in these batches."""
        meter = self.spec.meter(Known())
        has_labels = "asked_labels" in self.spec.needs
        if "pairs" in self.spec.needs:
            shown = [replace(seen, targets=_beside(seen.images)) for seen in shown]
        for seen in shown:
            meter.add(seen if has_labels else replace(seen, labels=None))
        return {name: float(value) for name, value in meter.result().items()}


def _beside(images: Tensor) -> Tensor:
    """Return what images should have been: themselves, a little brighter towards one side."""
    slope = torch.arange(images.shape[-1], dtype=torch.float32) * 4
    return (images.float() + slope).clamp(0, 255).to(torch.uint8)


def check(spec: MetricSpec) -> Report:
    """Try all that a metric promises."""
    return Report.of(cases(spec))


def cases(spec: MetricSpec) -> list[Case]:
    """Return the checks one by one."""
    return cases_of(spec, CLAIMS, lambda: Trial(spec))


def gives_exactly_its_scores(trial: Trial) -> Iterator[str]:
    found, wanted = set(trial.score(fakes(4))), set(trial.spec.scores)
    if found != wanted:
        yield f"result() gives {sorted(found)}, and 'scores' names {sorted(wanted)}"
    strange = set(trial.spec.perfect(Known())) - wanted
    if strange:
        yield f"perfect() gives {sorted(strange)}, which 'scores' does not name"
    if strange := set(trial.spec.real_scores(Known())) - wanted:
        yield f"real_scores() gives {sorted(strange)}, which 'scores' does not name"


def its_scores_are_finite(trial: Trial) -> Iterator[str]:
    for name, value in trial.score(fakes(4)).items():
        if not math.isfinite(value):
            yield f"'{name}' is {value} for fakes that are distributed as real images are"


def order_of_the_fakes_does_not_matter(trial: Trial) -> Iterator[str]:
    shown = fakes(4)[:3] + collapsed()[:3]
    before = trial.score(shown)
    order = torch.randperm(BATCH)
    within = [
        Seen(
            one.images[order],
            one.features[order],
            None if one.probabilities is None else one.probabilities[order],
            None if one.labels is None else one.labels[order],
        )
        for one in shown
    ]
    for what, others in (("batches", shown[::-1]), ("images of each batch", within)):
        for name, value in trial.score(others).items():
            if abs(value - before[name]) > 1e-4 * max(1.0, abs(before[name])):
                yield (
                    f"'{name}' is {before[name]:.6g}, and {value:.6g} for the same fakes with the "
                    f"{what} in another order"
                )


def collapse_scores_worse(trial: Trial) -> Iterator[str]:
    if not trial.spec.has_floor:
        return
    good, bad = trial.score(fakes(4)), trial.score(collapsed())
    for name, scale in trial.spec.scores.items():
        if name not in good or good[name] == bad[name]:
            yield Note(f"'{name}' is {bad.get(name)} for one image over and over as for real ones")
        elif (bad[name] < good[name]) == scale.lower_is_better:
            yield (
                f"'{name}' is {good[name]:.4g} for fakes as good as real and {bad[name]:.4g} for "
                f"one far-off image over and over; lower_is_better is {scale.lower_is_better}"
            )


def the_same_fakes_score_the_same(trial: Trial) -> Iterator[str]:
    first = trial.score(fakes(4))
    torch.manual_seed(99)
    second = trial.score(fakes(4))
    for name, value in first.items():
        if value != second[name]:
            yield f"'{name}' is {value!r}, then {second[name]!r} for the same fakes"


def takes_a_last_small_batch(trial: Trial) -> Iterator[str]:
    last = fakes(4)[0]
    probabilities = None if last.probabilities is None else last.probabilities[:1]
    labels = None if last.labels is None else last.labels[:1]
    small = Seen(last.images[:1], last.features[:1], probabilities, labels)
    for name, value in trial.score([*fakes(4), small]).items():
        if not math.isfinite(value):
            yield f"'{name}' is {value} where the last batch is one image"


def says_whether_scores_can_be_negative(trial: Trial) -> Iterator[str]:
    values = [trial.score(fakes(seed)) for seed in (4, 5)] + [trial.score(collapsed())]
    for name, scale in trial.spec.scores.items():
        least = min(value.get(name, 0.0) for value in values)
        if scale.positive and least < 0:
            yield f"'{name}' is {least:g}, and its scale says positive"


CLAIMS: tuple[Claim[Trial], ...] = (
    gives_exactly_its_scores,
    its_scores_are_finite,
    order_of_the_fakes_does_not_matter,
    collapse_scores_worse,
    the_same_fakes_score_the_same,
    takes_a_last_small_batch,
    says_whether_scores_can_be_negative,
)
