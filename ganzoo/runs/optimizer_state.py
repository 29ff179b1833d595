"""An optimizer's state as a checkpoint holds it: tensors by name, and the numbers beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.optim import Optimizer

from ganzoo.common.errors import CheckpointError
from ganzoo.runs.checkpoint import is_finite, select

COUNTS = frozenset({"step"})
"""What torch's optimizers count."""
SQUARES = frozenset({"exp_avg_sq", "max_exp_avg_sq", "square_avg", "sum"})
"""Their means and sums of squares, of which the root is taken."""

Entries = Mapping[int, Mapping[str, Any]]
"""What an optimizer remembers of each parameter, by the parameter's number."""


def pack_optimizer(prefix: str, optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return an optimizer's state as tensors under ``prefix`` and the numbers beside them."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for index, values in state["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{prefix}/{index}/{name}"] = value
            elif value is not None:
                numbers[f"{index}/{name}"] = value
    return tensors, numbers


def unpack_optimizer(
    prefix: str,
    optimizer: Optimizer,
    tensors: Mapping[str, Tensor],
    numbers: Mapping[str, Any],
    wanted: Entries | None = None,
) -> None:
    """Load what ``pack_optimizer`` returned; rates and their kin come from the recipe.

    Args:
        wanted: what such an optimizer remembers after a step; empty where nothing is known of it.

    Raises:
        CheckpointError: if the state belongs to other parameters or to no optimizer.
    """
    wanted = wanted or {}
    parameters = [item for group in optimizer.param_groups for item in group["params"]]
    state = _by_parameter(prefix, select(prefix, tensors), numbers, len(parameters))
    if not state and wanted:
        _refuse(prefix, "its state is missing")
    known = set().union(*(values.keys() for values in state.values()))
    for index, values in state.items():
        own = {key: value for key, value in wanted.get(index, {}).items() if value is not None}
        if missing := sorted((known | own.keys()) - values.keys()):
            _refuse(prefix, f"'{index}/{missing[0]}' is missing")
        for key, value in values.items():
            _check(prefix, f"{index}/{key}", key, value)
            values[key] = _fitted(prefix, f"{index}/{key}", value, parameters[index], own.get(key))
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _by_parameter(
    prefix: str, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any], many: int
) -> dict[int, dict[str, Any]]:
    """Return all entries by the number of their parameter, which has one spelling."""
    if shadowed := sorted(tensors.keys() & numbers.keys()):
        _refuse(prefix, f"'{shadowed[0]}' is there as a tensor and as a number")
    state: dict[int, dict[str, Any]] = {}
    for name, value in {**tensors, **numbers}.items():
        number, _, key = name.partition("/")
        is_number = number.isascii() and number.isdecimal() and len(number) <= 9
        if not is_number or str(int(number)) != number or not key:
            _refuse(prefix, f"'{name}' is unknown")
        if int(number) >= many:
            _refuse(prefix, f"parameter {number} is unknown")
        state.setdefault(int(number), {})[key] = value
    return state


def _check(prefix: str, name: str, key: str, value: Any) -> None:
    """Refuse numbers that no optimizer comes to."""
    if not is_finite(value):
        _refuse(prefix, f"'{name}' is not finite")
    if key not in COUNTS | SQUARES:
        return
    if isinstance(value, Tensor) and (value.is_complex() or bool((value < 0).any())):
        _refuse(prefix, f"'{name}' is negative")
    if not isinstance(value, Tensor) and value < 0:
        _refuse(prefix, f"'{name}' is negative")


def _fitted(prefix: str, name: str, value: Any, parameter: Tensor, wanted: Any) -> Any:
    """Return an entry as the optimizer wants it, or refuse it."""
    if wanted is not None and isinstance(wanted, Tensor) != isinstance(value, Tensor):
        _refuse(prefix, f"'{name}' is no {'tensor' if isinstance(wanted, Tensor) else 'number'}")
    if not isinstance(value, Tensor):
        return value
    like = wanted if isinstance(wanted, Tensor) else parameter
    fits = value.shape == like.shape and value.dtype == like.dtype
    is_one_number = value.ndim == 0 and not value.is_complex()
    if not fits and (not is_one_number or (isinstance(wanted, Tensor) and wanted.ndim)):
        _refuse(prefix, f"'{name}' has the shape {tuple(value.shape)} and dtype {value.dtype}")
    if value.ndim and value.shape == parameter.shape:
        # Same strides as the parameter: other strides would change speed and rounding.
        return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
    return value.clone()


def _refuse(prefix: str, what: str) -> NoReturn:
    raise CheckpointError(f"{prefix} does not fit the checkpoint: {what}")
