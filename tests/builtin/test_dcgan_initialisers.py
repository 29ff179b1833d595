"""Initial weights of the DCGAN networks: each initialiser against its own formula."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ganzoo.api import ImageShape
from ganzoo_dcgan.discriminators import Conv
from ganzoo_dcgan.generators import Transpose

SHAPE = ImageShape(3, 16, 16)


def generator(**fields: object) -> nn.Module:
    """Linear 50 → 4·4·256, then convolutions 256 → 128 (5×5), 128 → 64 and 64 → 3 (4×4)."""
    torch.manual_seed(0)
    return Transpose.model_validate({"bias": True, "stem_bias": True, **fields}).build(50, SHAPE)


def biases(network: nn.Module) -> torch.Tensor:
    layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.ConvTranspose2d)]
    return torch.cat([layer.bias.detach() for layer in layers if layer.bias is not None])


@pytest.mark.parametrize("std", [0.02, 0.1])
def test_normal_weights_have_mean_0_and_the_given_deviation(std: float) -> None:
    network = generator(init="normal", linear_init="normal", init_std=std)

    for name in ("stem.linear", "layers.0.convolution", "layers.1.convolution"):
        weight = network.get_parameter(f"{name}.weight").detach()
        assert weight.mean().item() == pytest.approx(0.0, abs=0.02 * std)
        assert weight.std().item() == pytest.approx(std, rel=0.02)
        # kurtosis 3: a Gaussian, not a uniform (1.8)
        assert (weight / std).pow(4).mean().item() == pytest.approx(3.0, abs=0.15)
    assert not biases(network).any()


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("stem.linear", 50, 4 * 4 * 256),
        ("layers.0.convolution", 256 * 25, 128 * 25),
        ("layers.1.convolution", 128 * 16, 64 * 16),
    ],
)
def test_glorot_weights_are_uniform_up_to_the_square_root_of_6_over_both_fans(
    name: str, inputs: int, outputs: int
) -> None:
    network = generator(init="glorot", linear_init="glorot")
    limit = math.sqrt(6 / (inputs + outputs))

    weight = network.get_parameter(f"{name}.weight").detach()

    assert 0.999 * limit < weight.abs().max().item() <= limit
    assert weight.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.02)
    assert not biases(network).any()


def test_he_weights_count_the_taps_that_reach_an_output() -> None:
    network = generator(init="he", linear_init="he")

    deviations = {
        "stem.linear": math.sqrt(2 / 50),
        "layers.0.convolution": math.sqrt(2 / (256 * 25)),
        "layers.1.convolution": math.sqrt(2 / (128 * 16 / 4)),  # stride 2: one tap in four
    }
    for name, deviation in deviations.items():
        weight = network.get_parameter(f"{name}.weight").detach()
        assert weight.std().item() == pytest.approx(deviation, rel=0.02)


def test_he_weights_keep_the_size_of_a_signal_through_relu_and_convolution() -> None:
    network = generator(init="he")
    maps = torch.randn(8, 128, 16, 16)

    doubled = network.get_submodule("layers.1.convolution")(maps.relu())

    inside = doubled[:, :, 2:-2, 2:-2]
    assert inside.square().mean().item() == pytest.approx(1.0, rel=0.1)


def test_orthogonal_weights_have_orthonormal_rows() -> None:
    torch.manual_seed(0)
    network = Conv(init="orthogonal").build(SHAPE)
    rows = network.get_parameter("layers.1.convolution.weight").detach().flatten(1)

    torch.testing.assert_close(rows @ rows.T, torch.eye(128), rtol=0, atol=1e-5)


def test_torch_leaves_the_layers_as_pytorch_made_them() -> None:
    network = generator(init="torch", linear_init="torch")

    linear = network.get_parameter("stem.linear.weight").detach()
    convolution = network.get_parameter("layers.0.convolution.weight").detach()
    # kaiming_uniform(√5): uniform up to 1/√fan_in, and for a transposed convolution PyTorch
    # takes its outputs for the fan
    assert linear.abs().max().item() == pytest.approx(1 / math.sqrt(50), rel=0.001)
    assert convolution.abs().max().item() == pytest.approx(1 / math.sqrt(128 * 25), rel=0.001)
    assert biases(network).any()


def test_the_linear_layer_and_the_convolutions_start_each_in_its_own_way() -> None:
    network = generator()

    limit = math.sqrt(6 / (50 + 4 * 4 * 256))
    assert network.get_parameter("stem.linear.weight").abs().max().item() <= limit
    convolution = network.get_parameter("layers.0.convolution.weight")
    assert convolution.std().item() == pytest.approx(0.02, rel=0.02)


def test_the_discriminators_head_is_a_linear_layer_with_its_own_start() -> None:
    torch.manual_seed(0)
    normal = Conv(linear_init="normal").build(ImageShape(1, 28, 28))
    glorot = Conv().build(ImageShape(1, 28, 28))

    assert normal.get_parameter("head.1.weight").std().item() == pytest.approx(0.02, rel=0.05)
    limit = math.sqrt(6 / (6272 + 1))
    assert 0.99 * limit < glorot.get_parameter("head.1.weight").abs().max().item() <= limit


def test_scales_of_batch_norm_start_at_1_or_around_it() -> None:
    exact = generator().get_parameter("stem.norm.weight").detach()
    spread = generator(gamma_std=0.02).get_parameter("stem.norm.weight").detach()

    assert torch.equal(exact, torch.ones_like(exact))
    assert spread.mean().item() == pytest.approx(1.0, abs=0.002)
    assert spread.std().item() == pytest.approx(0.02, rel=0.05)


def test_a_learned_constant_starts_with_the_given_deviation() -> None:
    network = generator(stem="constant", init_std=0.05)

    constant = network.get_parameter("stem.constant.constant").detach()

    assert constant.shape == (1, 256, 4, 4)
    assert constant.std().item() == pytest.approx(0.05, rel=0.05)
