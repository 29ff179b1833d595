"""Pictures that lie in rows beside their labels: what rows are called, and their classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ganzoo.api import printable
from ganzoo_datasets.archives import UnreadableError
from ganzoo_datasets.image_dataset import Sort, Sorted

AUTO = "auto"
NONE = "none"
MOST_CLASSES = 10_000


def names_of(count: int, labels: Sequence[Any] | None) -> list[str]:
    """Return a name for each row; its label is part of it, so that other labels are other data."""
    if labels is None:
        return [f"{row:09d}" for row in range(count)]
    return [f"{label}/{row:09d}" for row, label in enumerate(labels)]


def row_of(name: str) -> int:
    """Return the row that a name is of."""
    return int(name.rpartition("/")[2])


def sorting(labels: Sequence[Any] | None, given: Sequence[str] = ()) -> Sort:
    """Return what tells the class of each name that ``names_of`` made of the same labels.

    Args:
        labels: numbers or texts; None or, of given classes, a negative number for 'unknown'.
        given: the classes' names where labels are their numbers; else they are what labels there
            are, in order.

    Raises:
        UnreadableError: if there are far too many to be classes.
    """
    if labels is None:
        return lambda _: ((), None, [])
    known = sorted({label for label in labels if label is not None}) if not given else []
    if len(known) > MOST_CLASSES:
        raise UnreadableError(f"{len(known):,} different labels are too many for classes")
    index = {label: at for at, label in enumerate(known)}
    classes = tuple(given) or tuple(printable(str(label)) for label in known)

    def class_of(label: Any) -> int:
        if label is None:
            return -1
        return int(label) if given else index[label]

    numbers = [class_of(label) for label in labels]

    def sort(names: list[str]) -> Sorted:
        missing = sum(not 0 <= numbers[row_of(name)] < len(classes) for name in names)
        if missing:
            return (), None, [f"no classes: {missing} of {len(names)} images have no label"]
        return classes, {name: numbers[row_of(name)] for name in names}, []

    return sort
