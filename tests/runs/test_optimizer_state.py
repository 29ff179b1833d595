"""An optimizer's state goes into a checkpoint and out of it, and nothing else gets in."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from ganzoo.common.errors import CheckpointError
from ganzoo.runs.optimizer_state import Entries, pack_optimizer, unpack_optimizer

WANTED: Entries = {
    index: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(2), "exp_avg_sq": torch.zeros(2)}
    for index in (0, 1)
}


def adam() -> Adam:
    return Adam([nn.Parameter(torch.ones(2)) for _ in range(2)])


def whole() -> dict[str, Tensor]:
    return {
        f"o/{index}/{key}": value.clone()
        for index in (0, 1)
        for key, value in WANTED[index].items()
    }


def load(
    tensors: dict[str, Tensor], numbers: dict[str, Any] | None = None, wanted: Entries | None = None
) -> Optimizer:
    optimizer = adam()
    unpack_optimizer("o", optimizer, tensors, numbers or {}, wanted)
    return optimizer


def test_tensors_are_packed_by_name_and_numbers_beside_them() -> None:
    optimizer = SGD([nn.Parameter(torch.ones(2))], lr=0.1)
    (weight,) = optimizer.param_groups[0]["params"]
    optimizer.state[weight] = {"buffer": torch.ones(2), "count": 3, "nothing": None}

    tensors, numbers = pack_optimizer("o", optimizer)

    assert list(tensors) == ["o/0/buffer"]
    assert numbers == {"0/count": 3}


def test_counts_and_squares_may_be_zero() -> None:
    state = load(whole(), wanted=WANTED).state_dict()["state"]
    counted = load({}, {"0/step": 0, "1/step": 0}).state_dict()["state"]

    assert state[1]["exp_avg_sq"].tolist() == [0, 0]
    assert counted == {0: {"step": 0}, 1: {"step": 0}}


@pytest.mark.parametrize("name", ["0/step", "0/exp_avg_sq"])
def test_none_of_them_may_be_negative(name: str) -> None:
    tensors = whole()
    tensors[f"o/{name}"] -= 2

    with pytest.raises(CheckpointError, match=f"'{name}' is negative"):
        load(tensors, wanted=WANTED)
    with pytest.raises(CheckpointError, match=f"'{name}' is negative"):
        load({}, {name: -0.5})


def test_the_first_that_is_missing_is_named_by_what_is_wanted_and_by_the_others() -> None:
    with pytest.raises(CheckpointError, match="'0/exp_avg' is missing"):
        load({"o/0/step": torch.tensor(1.0), "o/1/step": torch.tensor(1.0)}, wanted=WANTED)
    tensors = whole()
    del tensors["o/1/step"], tensors["o/1/exp_avg_sq"]
    with pytest.raises(CheckpointError, match="'1/exp_avg_sq' is missing"):
        load(tensors)
    with pytest.raises(CheckpointError, match="its state is missing"):
        load({}, wanted=WANTED)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x/step", "'x/step' is unknown"),
        ("0", "'0' is unknown"),
        ("01/step", "'01/step' is unknown"),
        ("\u0663/step", "'\u0663/step' is unknown"),
        ("2/step", "parameter 2 is unknown"),
        ("123456789/step", "parameter 123456789 is unknown"),
        ("1234567890/step", "'1234567890/step' is unknown"),
    ],
)
def test_a_parameter_is_called_by_its_number_in_one_spelling(name: str, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        load({}, {name: 1})


def test_what_is_there_twice_is_named_by_the_first() -> None:
    with pytest.raises(CheckpointError, match="'0/exp_avg' is there as a tensor and as a number"):
        load(whole(), {"1/step": 1, "0/exp_avg": 1, "0/step": 1})


def test_a_number_is_no_tensor_and_a_tensor_no_number() -> None:
    tensors = whole()
    del tensors["o/0/exp_avg"]

    with pytest.raises(CheckpointError, match="'0/exp_avg' is no tensor"):
        load(tensors, {"0/exp_avg": 1.0}, WANTED)
    counted = {index: {**values, "step": 1} for index, values in WANTED.items()}
    with pytest.raises(CheckpointError, match="'0/step' is no number"):
        load(whole(), wanted=counted)


def test_moments_lie_in_memory_as_their_parameter_does() -> None:
    weight = nn.Parameter(torch.ones(2, 3, 4, 4).to(memory_format=torch.channels_last))
    optimizer = Adam([weight])
    moments = {f"o/0/{key}": torch.rand(2, 3, 4, 4) for key in ("exp_avg", "exp_avg_sq")}

    unpack_optimizer("o", optimizer, {**moments, "o/0/step": torch.tensor(1.0)}, {})

    found = optimizer.state[weight]["exp_avg"]
    assert found.stride() == weight.stride()
    assert torch.equal(found, moments["o/0/exp_avg"])
