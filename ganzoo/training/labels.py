"""Which class is asked of a generator that takes labels, where nobody trains it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo.common.errors import GanzooError, suggest
from ganzoo.common.text import listed
from ganzoo.plugin.types import ImageData

if TYPE_CHECKING:
    from ganzoo.training.parts import Parts


def sheet_labels(parts: Parts) -> Tensor | None:
    """Return the labels of a sheet, ``[rows · columns]`` on the device; None where none are taken.

    Raises:
        GanzooError: for a class in ``samples.labels`` that the data does not have.
    """
    recipe, device = parts.recipe, parts.machine.device
    count = recipe.samples.rows * recipe.samples.columns
    if not recipe.generator.uses_labels or parts.data.labels is None:
        return None
    if not parts.data.classes:
        return first_labels(parts.data, count).to(device)
    number = torch.arange(count)
    samples = recipe.samples
    if samples.labels != "mixed":
        # One a row: the place of image n depends on how the sheet is filled.
        number = number // samples.columns if samples.fill == "rows" else number % samples.rows
    chosen = torch.tensor(_chosen(parts))
    return chosen[number % len(chosen)].to(device)


def sheet_facts(parts: Parts) -> dict[str, Any]:
    """Return what a run's record says of its sheets: the class of each row, or those in turn."""
    samples, classes = parts.recipe.samples, parts.data.classes
    if not parts.recipe.generator.uses_labels or not classes:
        return {}
    names = [classes[each] for each in _chosen(parts)]
    if samples.labels == "mixed":
        return {"sheet": {"images": names[: samples.rows * samples.columns]}}
    return {"sheet": {"rows": [names[number % len(names)] for number in range(samples.rows)]}}


def _chosen(parts: Parts) -> list[int]:
    """Return the classes that a sheet shows in turn.

    Raises:
        GanzooError: for a class in ``samples.labels`` that the data does not have.
    """
    wanted, classes = parts.recipe.samples.labels, parts.data.classes
    if isinstance(wanted, list):
        return [class_number(one, classes) for one in wanted]
    return list(range(len(classes)))


def class_number(label: str | int, classes: Sequence[str], count: int = 0) -> int:
    """Return the number of the class that is meant by name or number.

    Raises:
        GanzooError: if there is no such class.
    """
    if str(label) in classes:
        return list(classes).index(str(label))
    if str(label).isdecimal() and int(label) < max(count, len(classes)):
        return int(label)
    if not max(count, len(classes)):
        raise GanzooError(f"no class {str(label)!r}: this data has no class labels")
    there = f"there are {listed(classes) or f'{count}, numbered from 0'}"
    raise GanzooError(f"no class {str(label)!r}{suggest(str(label), list(classes), then=there)}")


def first_labels(data: ImageData, count: int) -> Tensor:
    """Return ``count`` labels of the data, from the first on and around again."""
    assert data.labels is not None
    return data.labels[torch.arange(count) % len(data.labels)]
