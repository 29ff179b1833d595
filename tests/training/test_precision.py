"""What ``--precision`` and ``--deterministic`` set up, as far as a CPU can show it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from ganzoo.common.errors import GanzooError
from ganzoo.training.precision import apply, cast_of, choose, outputs

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _switches() -> Iterator[None]:
    yield
    apply("fp32", CPU, deterministic=False)


def test_auto_is_fp32_on_a_cpu_and_tf32_is_refused_there() -> None:
    assert choose("auto", CPU) == "fp32"
    assert choose("bf16", CPU) == "bf16"
    with pytest.raises(GanzooError, match="--precision tf32: cpu has no TF32"):
        choose("tf32", CPU)
    with pytest.raises(GanzooError, match="choose auto, fp32, tf32, bf16"):
        choose("fp8", CPU)


def test_deterministic_is_switched_on_and_off_again() -> None:
    apply("fp32", CPU, deterministic=True)
    assert torch.are_deterministic_algorithms_enabled()

    apply("fp32", CPU, deterministic=False)
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_network_cast_to_bf16_gives_float32_near_its_own_result_and_full_gradients() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(16, 16), nn.LeakyReLU(0.2), nn.Linear(16, 4))
    inputs = torch.randn(8, 16, requires_grad=True)

    plain = outputs(network, (inputs,), "logits", cast_of("fp32"))["logits"]
    cast = outputs(network, (inputs,), "logits", cast_of("bf16"))["logits"]
    (slope,) = torch.autograd.grad(cast.sum(), inputs, create_graph=True)
    slope.square().sum().backward()

    assert cast.dtype == torch.float32
    assert not torch.equal(cast, plain)
    torch.testing.assert_close(cast, plain, rtol=0.05, atol=0.05)
    assert network[0].weight.grad.dtype == torch.float32
