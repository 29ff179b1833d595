"""Which class is asked of a generator that takes labels, where nobody trains it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganzoo.common.errors import GanzooError, suggest
from ganzoo.plugin.types import ImageData

if TYPE_CHECKING:
    from ganzoo.training.parts import Parts


def sheet_labels(parts: Parts) -> Tensor | None:
    """Return the labels of a sheet, ``[rows · columns]`` on the device; None where none are taken.

    Raises:
        GanzooError: for a class in ``samples.labels`` that the data does not have.
    """
    recipe, device = parts.recipe, parts.machine.device
    if not recipe.generator.uses_labels or parts.data.labels is None:
        return None
    rows, columns = recipe.samples.rows, recipe.samples.columns
    wanted = recipe.samples.labels
    if not parts.data.classes:
        return first_labels(parts.data, rows * columns).to(device)
    number = torch.arange(rows * columns)
    if wanted != "mixed":
        # One a row: the place of image n depends on how the sheet is filled.
        number = number // columns if recipe.samples.fill == "rows" else number % rows
    chosen = torch.arange(len(parts.data.classes))
    if isinstance(wanted, list):
        chosen = torch.tensor([class_number(one, parts.data.classes) for one in wanted])
    return chosen[number % len(chosen)].to(device)


def class_number(label: str | int, classes: Sequence[str], count: int = 0) -> int:
    """Return the number of the class that is meant by name or number.

    Raises:
        GanzooError: if there is no such class.
    """
    if str(label) in classes:
        return list(classes).index(str(label))
    if str(label).isdecimal() and int(label) < max(count, len(classes)):
        return int(label)
    raise GanzooError(
        f"no class {str(label)!r}{suggest(str(label), list(classes))}; there are "
        f"{', '.join(classes) or count}"
    )


def first_labels(data: ImageData, count: int) -> Tensor:
    """Return ``count`` labels of the data, from the first on and around again."""
    assert data.labels is not None
    return data.labels[torch.arange(count) % len(data.labels)]
