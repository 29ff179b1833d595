"""What components start from, what their fields take and refuse, and which way their scores point.

Defaults are those of the papers and authors' code that each component names.
"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ganzoo.plugin.specs import MetricSpec, Spec
from ganzoo_losses import Bce, LeastSquares
from ganzoo_metrics import ganzoo_metrics
from ganzoo_metrics.diversity import Diversity
from ganzoo_metrics.kernel import Kernel
from ganzoo_metrics.memorisation import Memorisation
from ganzoo_metrics.neighbourhoods import Neighbourhoods
from ganzoo_optimizers import Adam, Rmsprop, Sgd
from ganzoo_regularizers import R1, R2, Dragan, GradientPenalty, WeightClip
from ganzoo_views import DiffAugment, Flip, Pack

TINY = 5e-324
"""The least number above 0."""
NEARLY_1 = 1 - 2**-53
POLICY = ["color", "translation", "cutout"]

FIELDS: list[tuple[type[Spec], str, Any, list[Any], list[Any]]] = [
    # component, field, default, taken, refused
    (Bce, "smoothing", 0.0, [0.0, 0.49999999999999994], [-TINY, 0.5]),
    (Bce, "halved", False, [True], []),
    (LeastSquares, "fake_target", 0.0, [-1.0], []),
    (LeastSquares, "real_target", 1.0, [-1.0], []),
    (LeastSquares, "generator_target", 1.0, [0.0], []),
    *((spec, "weight", 10.0, [0.0], [-TINY]) for spec in (GradientPenalty, R1, R2, Dragan)),
    *((spec, "target", 1.0, [0.0], [-TINY]) for spec in (GradientPenalty, Dragan)),
    (GradientPenalty, "one_sided", False, [True], []),
    (Dragan, "spread", 0.5, [0.0], [-TINY]),
    (WeightClip, "weight", 1.0, [1.0], [0.0, 2.0]),
    (WeightClip, "limit", 0.01, [TINY], [0.0]),
    (Flip, "probability", 0.5, [0.0, 1.0], [-TINY, 1 + 2**-52]),
    (DiffAugment, "policy", POLICY, [["color"], POLICY], [[], [*POLICY, "color"], ["blur"]]),
    (Pack, "size", 2, [2, 8], [1, 9]),
    (Kernel, "block", 1000, [2, 20_000], [1, 20_001]),
    (Neighbourhoods, "k", 5, [1, 100], [0, 101]),
    (Neighbourhoods, "count", 2000, [10, 20_000], [9, 20_001]),
    (Diversity, "batch", 50, [2, 1000], [1, 1001]),
    (Memorisation, "quantile", 0.01, [TINY, NEARLY_1], [0.0, 1.0]),
    (Memorisation, "count", 500, [10, 20_000], [9, 20_001]),
    (Adam, "betas", [0.9, 0.999], [[0.0, NEARLY_1]], [[0.5], [0.5] * 3, [-TINY, 0], [0, 1]]),
    (Adam, "eps", 1e-8, [TINY], [0.0]),
    (Adam, "amsgrad", False, [True], []),
    (Rmsprop, "alpha", 0.99, [0.0, NEARLY_1], [-TINY, 1.0]),
    (Rmsprop, "eps", 1e-8, [TINY], [0.0]),
    (Rmsprop, "epsilon_inside_root", False, [True], []),
    (Rmsprop, "centered", False, [True], []),
    *((spec, "momentum", 0.0, [0.0, NEARLY_1], [-TINY, 1.0]) for spec in (Rmsprop, Sgd)),
    *((spec, "weight_decay", 0.0, [0.0], [-TINY]) for spec in (Adam, Sgd)),
    (Sgd, "nesterov", False, [False], [True]),
]

LOWER = {"frechet", "kernel", "class_kl", "memorised", "discriminator_gap", "intra_frechet",
         "intra_frechet_worst", "sliced", "mae"}  # fmt: skip
HIGHER = {"precision", "recall", "density", "coverage", "modes_1", "modes_5", "inception_score",
          "diversity", "class_accuracy", "gan_train", "gan_test", "psnr", "ssim"}  # fmt: skip
WITH_A_LOGARITHM = {
    "frechet", "class_kl", "intra_frechet", "intra_frechet_worst", "sliced", "mae"
}  # fmt: skip
"""Distances that are above 0; the kernel's is unbiased, and may be below."""
WITHOUT_A_FLOOR = {
    "memorised", "discriminator_gap", "gan_train", "gan_test", "psnr", "ssim", "mae"
}  # fmt: skip
"""Not of two sets of real images."""


@pytest.mark.parametrize(
    ("spec", "field", "default", "taken", "refused"),
    FIELDS,
    ids=[f"{spec.use}.{field}" for spec, field, *_ in FIELDS],
)
def test_a_field_starts_from_the_papers_number_and_takes_what_makes_sense(
    spec: type[Spec], field: str, default: Any, taken: list[Any], refused: list[Any]
) -> None:
    assert getattr(spec(), field) == default
    for value in taken:
        assert getattr(spec.model_validate({field: value}), field) == value
    for value in refused:
        with pytest.raises(ValidationError):
            spec.model_validate({field: value})


def test_penalties_on_slopes_say_that_they_differentiate_twice_and_where() -> None:
    for spec in (GradientPenalty, Dragan, R1, R2):
        assert spec.second_order
    assert not WeightClip.second_order
    assert (R1.needs, R2.needs) == ({"real_gradient"}, {"fake_gradient"})
    assert not Pack.keeps_labels


def test_every_score_points_the_way_it_should() -> None:
    specs: list[type[MetricSpec]] = ganzoo_metrics()
    scores = {name: (scale, spec) for spec in specs for name, scale in spec.scores.items()}

    assert {name for name, (scale, _) in scores.items() if scale.lower_is_better} == LOWER
    assert {name for name, (scale, _) in scores.items() if not scale.lower_is_better} == HIGHER
    assert {name for name, (scale, _) in scores.items() if scale.positive} == WITH_A_LOGARITHM
    assert {name for name, (_, spec) in scores.items() if not spec.has_floor} == WITHOUT_A_FLOOR
