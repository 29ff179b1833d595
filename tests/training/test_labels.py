"""A sheet asks for the classes that the recipe says, wherever its images are put."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ganzoo.recipe.model import Samples
from ganzoo.training.labels import sheet_labels


def asked(**samples: Any) -> list[int] | None:
    """Return the labels of a sheet of 2 rows and 3 columns, of images in three classes."""
    parts: Any = SimpleNamespace(
        recipe=SimpleNamespace(
            samples=Samples(rows=2, columns=3, **samples),
            generator=SimpleNamespace(uses_labels=True),
        ),
        machine=SimpleNamespace(device=torch.device("cpu")),
        data=SimpleNamespace(labels=torch.arange(6) % 3, classes=("a", "b", "c")),
    )
    found = sheet_labels(parts)
    return None if found is None else found.tolist()


@pytest.mark.parametrize(
    ("samples", "wanted"),
    [
        ({}, [0, 0, 0, 1, 1, 1]),
        ({"fill": "columns"}, [0, 1, 0, 1, 0, 1]),
        ({"labels": ["c", "a"], "fill": "columns"}, [2, 0, 2, 0, 2, 0]),
        ({"labels": "mixed", "fill": "columns"}, [0, 1, 2, 0, 1, 2]),
    ],
)
def test_a_class_a_row_is_one_in_whichever_order_the_sheet_is_filled(
    samples: dict[str, Any], wanted: list[int]
) -> None:
    assert asked(**samples) == wanted
