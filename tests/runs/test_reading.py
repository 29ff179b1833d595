"""What scores mean together is told where one of them alone misleads, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from ganzoo.runs.verdict import reading

REAL = {"precision": 0.95, "recall": 0.92, "density": 1.0, "coverage": 0.97}


def metrics(label: str = "", **values: float | None) -> dict[str, Any]:
    """Return scores beside what MNIST's real images reach."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        floor = {"value": REAL.get(name, 0.01)}
        if name.startswith("modes"):
            floor = {"value": None, "perfect": 10.0}  # type: ignore[dict-item]
        found[label + name] = {"last": {"value": value, "step": 40}, "floor": floor}
    return found


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        (metrics(precision=1.0, recall=0.0), "precision 1.000 with recall 0.000: the fakes lie"),
        (metrics("b_", precision=1.0, recall=0.0), "no real image lies among them"),
        (metrics(precision=0.657, recall=0.0), "while it shows noise, train longer"),
        (metrics(precision=0.0, recall=0.9), "spread so widely that real images lie among them"),
        (metrics(precision=0.0, recall=0.0), "fakes and real images are far apart"),
        (metrics(modes_5=1.0), "finds only 1 of 10 classes"),
        (metrics(memorised=0.9), "they are copies"),
    ],
)
def test_what_misleads_is_told(scores: dict[str, Any], told: str) -> None:
    (text,) = reading(scores)

    assert told in text


# Trained recipes as docs/measures.md has them, real images, and copies but for being copies.
@pytest.mark.parametrize(
    "scores",
    [
        metrics(precision=0.699, recall=0.853, coverage=0.292, modes_5=10.0, memorised=0.02),
        metrics(precision=0.622, recall=0.390, coverage=0.126, modes_5=10.0),
        metrics(precision=0.584, recall=0.067, coverage=0.059, modes_5=9.0),
        metrics(precision=0.947, recall=0.923, coverage=0.967, modes_5=10.0, memorised=0.01),
        metrics(precision=0.951, recall=0.943),
        metrics(precision=1.0),
        {},
    ],
)
def test_what_is_as_usual_is_not(scores: dict[str, Any]) -> None:
    assert reading(scores) == []


def test_two_metrics_of_a_kind_are_read_apart() -> None:
    scores = metrics("a_", precision=1.0, recall=0.9) | metrics("b_", precision=0.0, recall=0.0)

    assert len(reading(scores)) == 1


@pytest.mark.parametrize("wrong", [None, 3, [], {"last": 1}, {"last": {"value": "x"}, "floor": []}])
def test_forged_scores_are_nothing_to_read(wrong: Any) -> None:
    assert reading({"precision": wrong, "recall": wrong}) == []
