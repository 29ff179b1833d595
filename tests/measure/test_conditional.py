"""Metrics of generators that are asked for a class, against closed forms."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.types import Seen
from ganzoo_metrics.conditional import ClassAccuracy, IntraFrechet

GENERATOR = torch.Generator().manual_seed(0)


def seen(shift: float, labels: torch.Tensor) -> Seen:
    """Return features of unit variance around 10 · label + shift, one row for each label."""
    noise = torch.randn(len(labels), 2, generator=GENERATOR)
    features = 10.0 * labels[:, None] + shift + noise
    images = torch.zeros(len(labels), 1, 1, 1, dtype=torch.uint8)
    return Seen(images, features, torch.eye(3)[labels], labels)


def reference(real: Seen) -> Any:
    """Return what a metric holds fakes against."""

    def batches() -> Iterator[Seen]:
        yield real

    return SimpleNamespace(num_classes=3, real=batches)


def test_intra_frechet_is_the_squared_shift_within_each_class() -> None:
    labels = torch.arange(3).repeat(4000)
    meter = IntraFrechet().meter(reference(seen(0.0, labels)))
    shift = torch.tensor([0.0, 1.0, 2.0])[labels]

    own = seen(0.0, labels)
    meter.add(Seen(own.images, own.features + shift[:, None], own.probabilities, labels))

    # Equal covariances: the distance is the squared shift of the mean, in two dimensions.
    found = meter.result()
    assert found["intra_frechet"] == pytest.approx((0 + 2 + 8) / 3, abs=0.2)
    assert found["intra_frechet_worst"] == pytest.approx(8, abs=0.4)


def test_a_generator_that_mixes_classes_up_is_far_within_each_and_right_in_none() -> None:
    labels = torch.arange(3).repeat(500)
    intra = IntraFrechet().meter(reference(seen(0.0, labels)))
    accuracy = ClassAccuracy().meter(reference(seen(0.0, labels)))
    made = seen(0.0, (labels + 1) % 3)
    swapped = Seen(made.images, made.features, made.probabilities, labels)

    for meter in (intra, accuracy):
        meter.add(swapped)

    assert intra.result()["intra_frechet"] > 100
    assert accuracy.result() == {"class_accuracy": 0.0}


def test_class_accuracy_is_the_share_of_images_seen_as_what_was_asked() -> None:
    labels = torch.tensor([0, 1, 2, 0])
    meter = ClassAccuracy().meter(reference(seen(0.0, labels)))
    made = seen(0.0, torch.tensor([0, 1, 2, 1]))

    meter.add(Seen(made.images, made.features, made.probabilities, labels))

    assert meter.result() == {"class_accuracy": 0.75}


def test_only_classes_that_both_have_are_compared() -> None:
    meter = IntraFrechet().meter(reference(seen(0.0, torch.tensor([0] * 500 + [1] * 500))))

    with pytest.raises(GanzooError, match="no class in common"):
        meter.result()
    meter.add(seen(0.0, torch.tensor([2] * 500)))
    with pytest.raises(GanzooError, match="no class in common"):
        meter.result()
    meter.add(seen(3.0, torch.tensor([1] * 500)))
    found = meter.result()
    assert found["intra_frechet"] == found["intra_frechet_worst"] == pytest.approx(18, abs=3)


def test_class_accuracy_of_no_image_is_none() -> None:
    meter = ClassAccuracy().meter(reference(seen(0.0, torch.tensor([0]))))

    meter.add(seen(0.0, torch.zeros(0, dtype=torch.long)))

    assert meter.result() == {"class_accuracy": 0.0}


def test_labels_the_classifier_does_not_know_are_refused() -> None:
    meter = ClassAccuracy().meter(reference(seen(0.0, torch.tensor([0]))))
    made = seen(0.0, torch.tensor([1]))

    with pytest.raises(GanzooError, match="knows 3 classes"):
        meter.add(Seen(made.images, made.features, made.probabilities, torch.tensor([3])))
