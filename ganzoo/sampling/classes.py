"""Which classes a generator is asked for, and what lies between two of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ganzoo.training.labels import class_number

EVERY = "all"
"""Stands for every class, unless one is called that."""

Label = str | int | Sequence[str | int] | None
"""A class by name or number, 'all', a list of classes, or None for no class in particular."""


def class_numbers(label: Label, classes: Sequence[str], count: int) -> list[int]:
    """Return the numbers of the classes that are meant; none where ``label`` is None.

    Raises:
        GanzooError: for a class that is not there.
    """
    if label is None:
        return []
    wanted = [label] if isinstance(label, str | int) else list(label)
    if wanted == [EVERY] and EVERY not in classes:
        return list(range(count))
    return [class_number(one, classes, count) for one in wanted]


@contextmanager
def between_classes(
    network: nn.Module, here: Tensor, there: Tensor, share: float
) -> Iterator[list[nn.Module]]:
    """Let every embedding of ``network`` that is asked for ``here`` answer on the way to ``there``.

    Yields the layers that did. Brock et al. 2019, arXiv:1809.11096, appendix, walk between classes
    in the same way: along the line between what is looked up for them.
    """
    found: list[nn.Module] = []

    def answer(layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if given[0].shape != here.shape or not torch.equal(given[0], here):
            return output
        found.append(layer)
        # Not called as a module, which would come by here again.
        return torch.lerp(output, layer.forward(there), share)

    hooks = [
        layer.register_forward_hook(answer)
        for layer in network.modules()
        if isinstance(layer, nn.Embedding)
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
