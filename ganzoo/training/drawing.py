"""What is seen while a part of a batch is looked at: draws, and batch norm, of the whole batch.

What is random for an image depends on its place in the whole batch and not on how that is cut: of a
tensor whose first dimension is the images, the numbers of the whole batch are drawn and the part's
rows taken. Whoever draws need not know. Tensors of another first dimension, as noise on weights,
are drawn as they are: the same for every part, as they are one for a whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

BatchNorm = Callable[..., Tensor]
"""Takes what ``torch.nn.functional.batch_norm`` does."""

MAKERS = {torch.rand, torch.randn}
"""Called with a size."""
LIKE = {torch.rand_like, torch.randn_like, torch.randint_like}
IN_PLACE = {
    torch.Tensor.random_,
    torch.Tensor.uniform_,
    torch.Tensor.normal_,
    torch.Tensor.exponential_,
    torch.Tensor.cauchy_,
    torch.Tensor.log_normal_,
    torch.Tensor.geometric_,
    torch.Tensor.bernoulli_,
}
OF_ROWS = {torch.bernoulli, torch.poisson, torch.multinomial}
"""Random functions of a tensor, row by row."""
DROPOUTS = {
    F.dropout,
    F.dropout1d,
    F.dropout2d,
    F.dropout3d,
    F.alpha_dropout,
    F.feature_alpha_dropout,
    F.rrelu,
}
"""The same, and they take 'training' and 'inplace'."""


class Rows:
    """Which rows of a whole batch a part is.

    Args:
        start: the number of its first image in the whole batch.
        count: its images.
        whole: those of the whole batch.
    """

    def __init__(self, start: int, count: int, whole: int) -> None:
        self.start, self.count, self.whole = start, count, whole
        self._shown, self._blocks = count, 1

    @contextmanager
    def shown(self, count: int, blocks: int = 1) -> Iterator[None]:
        """In this block, a network is shown ``count`` rows: ``blocks`` kinds after one another.

        They may be packs of images, and real ones and fakes in one.
        """
        before = self._shown, self._blocks
        self._shown, self._blocks = count, blocks
        try:
            yield
        finally:
            self._shown, self._blocks = before

    def taken(self, size: Sequence[int], draw: Callable[[list[int]], Tensor]) -> Tensor | None:
        """Draw a tensor of ``size`` as rows of the whole batch's; None where it has no rows.

        Args:
            draw: returns one of another first dimension.
        """
        found = self._place(size)
        if found is None:
            return None
        blocks, start, count, whole = found
        drawn = draw([blocks * whole, *size[1:]])
        rows = drawn.view(blocks, whole, *drawn.shape[1:])[:, start : start + count]
        return rows.reshape(blocks * count, *drawn.shape[1:])

    def spread(self, rows: Tensor) -> Tensor | None:
        """Return a whole batch that holds ``rows`` at their place, and zeros elsewhere."""
        found = self._place(rows.shape)
        if found is None:
            return None
        blocks, start, count, whole = found
        kept = rows.reshape(blocks, count, *rows.shape[1:])
        before = kept.new_zeros(blocks, start, *rows.shape[1:])
        after = kept.new_zeros(blocks, whole - start - count, *rows.shape[1:])
        return torch.cat([before, kept, after], 1).flatten(0, 1)

    def _place(self, size: Sequence[int]) -> tuple[int, int, int, int] | None:
        """Return blocks, and in each the first row, their number and that of the whole batch."""
        if not size or self.whole == self.count:
            return None
        for shown, blocks in ((self._shown, self._blocks), (self.count, 1)):
            # Numbers in one row, as a mask's bits are drawn, belong to the images in turn.
            factor, rest = divmod(size[0], shown)
            if rest or (factor != 1 and len(size) > 1) or factor == 0:
                continue
            count, rest = divmod(size[0], blocks)
            start, first = divmod(self.start * count, self.count)
            whole, last = divmod(self.whole * count, self.count)
            if rest or first or last:
                continue
            return blocks, start, count, whole
        return None


class Part(TorchFunctionMode):
    """Inside, torch draws as if the whole batch were there.

    Args:
        rows: which of its rows are.
        batch_norm: takes the place of torch's, where its statistics are of the whole batch.
    """

    def __init__(self, rows: Rows, batch_norm: BatchNorm | None = None) -> None:
        super().__init__()
        self.rows = rows
        self.batch_norm = batch_norm

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call ``func``, or what draws for the whole batch in its place."""
        given = dict(kwargs or {})
        if func is F.batch_norm and self.batch_norm is not None:
            return self.batch_norm(*args, **given)
        if func not in RANDOM or given.get("generator") is not None:
            return func(*args, **given)
        found = RANDOM[func](self.rows, func, args, given)
        return func(*args, **given) if found is None else found


def _made(rows: Rows, func: Any, args: Sequence[Any], given: dict[str, Any]) -> Any:
    if "size" in given:
        size = given.pop("size")
    elif len(args) == 1 and isinstance(args[0], Sequence):
        size = args[0]
    else:
        size = args
    found = rows.taken(list(size), lambda whole: func(whole, **given))
    return func(list(size), **given) if found is None else found


def _randint(rows: Rows, func: Any, args: Sequence[Any], given: dict[str, Any]) -> Any:
    if "size" in given:
        *ends, size = *args, given.pop("size")
    else:
        *ends, size = args
    found = rows.taken(list(size), lambda whole: func(*ends, whole, **given))
    return func(*ends, list(size), **given) if found is None else found


def _normal(rows: Rows, func: Any, args: Sequence[Any], given: dict[str, Any]) -> Any:
    if any(isinstance(each, Tensor) for each in (*args, *given.values())):
        return _of_rows(rows, func, args, given)
    return _randint(rows, func, args, given)


def _like(rows: Rows, func: Any, args: Sequence[Any], given: dict[str, Any]) -> Any:
    like, *rest = args
    return rows.taken(like.shape, lambda whole: func(_empty(like, whole), *rest, **given))


def _in_place(rows: Rows, func: Any, args: Sequence[Any], given: dict[str, Any]) -> Any:
    target, *rest = args
    if any(isinstance(each, Tensor) for each in (*rest, *given.values())):
        return None
    found = rows.taken(target.shape, lambda whole: func(_empty(target, whole), *rest, **given))
    return None if found is None else target.copy_(found)


def _of_rows(rows: Rows, func: Any, args: Sequence[Any], given: dict[str, Any]) -> Any:
    """Call a random function of tensors for the whole batch, of which this part is known."""
    tensors = [each for each in args if isinstance(each, Tensor)]
    if not tensors or tensors[0] is not args[0]:
        return None
    wide = [rows.spread(each) if isinstance(each, Tensor) else each for each in args]
    if any(each is None and was is not None for each, was in zip(wide, args, strict=True)):
        return None
    drawn = func(*wide, **given)
    return rows.taken((len(tensors[0]), *drawn.shape[1:]), lambda whole: drawn)  # noqa: ARG005


def _dropout(rows: Rows, func: Any, args: Sequence[Any], given: dict[str, Any]) -> Any:
    names: tuple[str, ...] = ("input", "p", "training", "inplace")
    if func is F.rrelu:
        names = ("input", "lower", "upper", "training", "inplace")
    found = {**dict(zip(names, args, strict=False)), **given}
    # torch's own defaults: rrelu and the alpha forms do not train unless told.
    trains = found.get("training", func in {F.dropout, F.dropout1d, F.dropout2d, F.dropout3d})
    if not trains:
        return None
    found |= {"inplace": False}
    return _of_rows(rows, func, (found.pop("input"),), found)


def _empty(like: Tensor, size: list[int]) -> Tensor:
    return torch.empty(size, dtype=like.dtype, device=like.device)


RANDOM: dict[Any, Callable[[Rows, Any, Sequence[Any], dict[str, Any]], Any]] = {
    **dict.fromkeys(MAKERS, _made),
    torch.randint: _randint,
    torch.normal: _normal,
    **dict.fromkeys(LIKE, _like),
    **dict.fromkeys(IN_PLACE, _in_place),
    **dict.fromkeys(OF_ROWS, _of_rows),
    **dict.fromkeys(DROPOUTS, _dropout),
}
