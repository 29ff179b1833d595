"""A running average moves as far as its half-life says, however long that is."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
import torch
from heard import Heard
from torch import nn

import ganzoo
from ganzoo import session
from ganzoo.plugin.ramps import Ramp
from ganzoo.plugin.registry import load_plugins
from ganzoo.runs import checkpoint
from ganzoo.runs.folder import RunDir
from ganzoo.session import Run
from ganzoo.training.ema import LONG, Average
from ganzoo.training.place import Place


def filled(network: nn.Linear, value: float | torch.Tensor) -> nn.Linear:
    """Give every weight of ``network`` this value."""
    with torch.no_grad():
        network.weight.copy_(torch.as_tensor(value).expand_as(network.weight))
    return network


def layer(value: float) -> nn.Linear:
    return filled(nn.Linear(2, 1, bias=False), value)


def weight_of(average: Average) -> torch.Tensor:
    (weight,) = average.network.parameters()
    return weight


@pytest.mark.parametrize("half_life", [2e4, 1e7, 1e12])
def test_a_long_average_moves_by_its_half_life(half_life: float) -> None:
    average = Average(layer(1.0), half_life)
    assert average.rest is not None
    target = layer(1.5)

    for _ in range(2000):
        average.follow(target)

    # 1.5 - 0.5 · 2^(-n / h), less 1
    moved = 0.5 * -math.expm1(-2000 / half_life * math.log(2))
    own = weight_of(average).double() - 1 + average.rest[0].double()
    torch.testing.assert_close(own, torch.full_like(own, moved), rtol=1e-5, atol=0)


def test_it_stood_still_without_its_rest() -> None:
    average, target = layer(1.0), layer(1.5)

    for _ in range(2000):
        average.weight.data.lerp_(target.weight.data, 1 - 0.5 ** (1 / 1e7))

    assert (average.weight == 1.0).all()


def test_a_long_average_of_moving_weights_is_that_of_float64() -> None:
    generator = torch.Generator().manual_seed(0)
    network = layer(1.0)
    average, wanted = Average(network, 3e5), network.weight.detach().double()
    assert average.rest is not None

    for _ in range(3000):
        filled(network, torch.randn(1, 2, generator=generator) * 1e3)
        average.follow(network)
        wanted = wanted.lerp(network.weight.detach().double(), average.pull)

    own = weight_of(average).double() + average.rest[0].double()
    torch.testing.assert_close(own, wanted, rtol=1e-7, atol=1e-9)


def test_a_ramp_is_long_where_any_of_it_is() -> None:
    ramp = Ramp(start=10.0, end=1e6)
    average, wanted = Average(layer(0.0), ramp, steps=50), torch.zeros(1, 2, dtype=torch.float64)
    assert average.rest is not None

    for step in range(50):
        average.follow(layer(1.0), step)
        wanted = wanted.lerp(torch.ones_like(wanted), 1 - 0.5 ** (1 / ramp.at(step, 50)))

    own = weight_of(average).double() + average.rest[0].double()
    torch.testing.assert_close(own, wanted, rtol=1e-6, atol=0)


@pytest.mark.parametrize("half_life", [1.0, 500.0, LONG])
def test_a_short_average_is_one_lerp_as_before(half_life: float) -> None:
    average, wanted = Average(layer(1.0), half_life), torch.ones(1, 2)
    assert average.rest is None

    for _ in range(20):
        average.follow(layer(-0.3))
        wanted = wanted.lerp(torch.full((1, 2), -0.3), 1 - 0.5 ** (1 / half_life))

    assert torch.equal(weight_of(average), wanted)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, tiny: dict[str, object]) -> Run:
    """Return a finished run with a long average and checkpoints at steps 2 and 4."""
    own = {"ema.half_life": 1e7, "checkpoint.every": 2}
    out = tmp_path_factory.mktemp("long")
    return ganzoo.run("dcgan_digits", {**tiny, **own}, out=out, device="cpu", quiet=True)


def gone_on(long: Run, folder: Path, told: Heard) -> dict[str, torch.Tensor]:
    """Resume a copy of the run in ``folder`` and return its last checkpoint."""
    registry = load_plugins()
    parts = session.build(long.recipe, registry, Place("cpu"), told, is_tried=False)
    session.train(parts, RunDir(folder), registry, told, resume=True)
    return checkpoint.read_checkpoint(folder / "checkpoints/step-000004.safetensors")[0]


def test_a_run_with_a_long_average_resumes_bitwise(long: Run, tmp_path: Path) -> None:
    shutil.copytree(long.path, copy := tmp_path / "copy")
    last = copy / "checkpoints/step-000004.safetensors"
    whole, _ = checkpoint.read_checkpoint(last)
    last.unlink()

    again = gone_on(long, copy, told := Heard())

    assert any(value.any() for name, value in whole.items() if name.startswith("average_rest/"))
    assert again.keys() == whole.keys()
    assert all(torch.equal(again[name], whole[name]) for name in whole)
    assert not [text for text in told.warnings if "average" in text]


def test_a_checkpoint_of_before_has_no_rest_and_goes_on(long: Run, tmp_path: Path) -> None:
    shutil.copytree(long.path, copy := tmp_path / "copy")
    (copy / "checkpoints/step-000004.safetensors").unlink()
    before = copy / "checkpoints/step-000002.safetensors"
    tensors, state = checkpoint.read_checkpoint(before)
    old = {name: each for name, each in tensors.items() if not name.startswith("average_rest/")}
    checkpoint.write(before, old, state)

    again = gone_on(long, copy, told := Heard())

    assert any("averages did not move" in text for text in told.warnings)
    assert any(value.any() for name, value in again.items() if name.startswith("average_rest/"))


def test_a_ramp_without_a_length_is_over_after_a_step() -> None:
    average = Average(layer(0.0), Ramp(start=1.0, end=3.0))
    assert average.pull == 0.5

    average.follow(layer(1.0), 1)
    assert average.pull == pytest.approx(1 - 0.5 ** (1 / 3))


@pytest.mark.parametrize("half_life", [500.0, 1e7])
def test_an_average_takes_no_gradients_and_keeps_no_graph(half_life: float) -> None:
    average = Average(layer(0.0), half_life)

    average.follow(layer(1.0))

    kept = [*average.network.parameters(), *(average.rest or ())]
    assert len(kept) == (2 if half_life > LONG else 1)
    assert not any(each.requires_grad or each.grad_fn for each in kept)
    assert not average.network.training


def test_a_half_life_above_ten_thousand_steps_is_a_long_one() -> None:
    found = [Average(layer(0.0), half_life).rest for half_life in (9_999.5, 10_000.0, 10_000.5)]

    assert [rest is not None for rest in found] == [False, False, True]


def test_an_average_that_is_told_no_step_is_at_the_first() -> None:
    average, first = Average(layer(0.0), Ramp(start=1.0, end=9.0), 100), layer(0.0)

    average.follow(layer(1.0))

    torch.testing.assert_close(weight_of(average), first.weight.detach() + 0.5, rtol=0, atol=0)
