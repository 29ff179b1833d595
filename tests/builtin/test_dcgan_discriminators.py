"""DCGAN discriminator: logits, counts, padding, and forward passes against plain operations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor, nn

from ganzoo.api import GanzooError, ImageShape
from ganzoo_dcgan.discriminators import Conv
from ganzoo_dcgan.padding import same_padding

MNIST = ImageShape(1, 28, 28)
SPRITES = ImageShape(3, 64, 64)

FLUX = Conv()
GLUON = Conv(
    strides=[2, 2, 2, 2],
    bias=False,
    norm="batch",
    first_norm=True,
    dropout=0.0,
    head="convolution",
    head_bias=False,
)
KERAS = Conv(
    strides=[2, 2, 2, 1],
    kernel_size=5,
    padding="same",
    dropout=0.4,
    init="glorot",
)
NORM_LAST = Conv(strides=[2, 2, 2], norm="batch", order="activation_norm", linear_init="normal")
NORM_FREE = Conv(
    base_channels=32,
    strides=[2, 2, 2, 2, 1],
    downsample="average",
    kernel_size=3,
    dropout=0.0,
    linear_init="normal",
)


@pytest.mark.parametrize(
    ("spec", "image", "parameters"),
    [
        pytest.param(FLUX, MNIST, 138_561, id="flux"),
        pytest.param(GLUON, SPRITES, 2_765_696, id="gluon"),
        pytest.param(KERAS, MNIST, 4_311_553, id="keras"),
        pytest.param(NORM_FREE, SPRITES, 1_576_769, id="norm-free"),
    ],
)
def test_published_discriminators_have_their_number_of_parameters(
    spec: Conv, image: ImageShape, parameters: int
) -> None:
    network = spec.build(image)

    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize("head", ["linear", "convolution"])
@pytest.mark.parametrize("norm", ["none", "batch", "instance", "layer", "spectral"])
@pytest.mark.parametrize(
    ("channels", "height", "width"), [(1, 28, 28), (3, 27, 31), (2, 13, 64), (6, 9, 9)]
)
def test_logits_are_flat_for_images_of_any_size(
    head: str, norm: str, channels: int, height: int, width: int
) -> None:
    spec = Conv.model_validate({"base_channels": 2, "head": head, "norm": norm})
    network = spec.build(ImageShape(channels, height, width))

    assert network(torch.randn(5, channels, height, width)).shape == (5,)
    assert network(torch.randn(1, channels, height, width)).shape == (1,)


@pytest.mark.parametrize("downsample", ["stride", "average"])
def test_images_that_vanish_on_the_way_are_refused(downsample: str) -> None:
    spec = Conv.model_validate({"strides": [2, 2, 2, 2], "downsample": downsample})

    with pytest.raises(GanzooError, match=r"nothing is left of 8×64 images after convolution [34]"):
        spec.build(ImageShape(1, 8, 64))


def test_instance_norm_of_single_pixels_is_refused() -> None:
    with pytest.raises(GanzooError, match="'instance' makes zeros of the 1×1 maps"):
        Conv(strides=[2, 2], norm="instance").build(ImageShape(1, 4, 4))
    Conv(strides=[2], norm="instance").build(ImageShape(1, 2, 2))  # the first is not normalised


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"widths": [1]}, "'widths' names 1 maps and 'strides' 2 convolutions"),
        ({"gamma_std": 0.02}, "'gamma_std' needs norm"),
        ({"norm": "spectral", "gamma_std": 0.02}, "'gamma_std' needs norm"),
        ({"strides": [0]}, "greater than or equal to 1"),
        ({"norm": "group"}, "should be 'none', 'batch', 'instance', 'layer' or 'spectral'"),
        ({"dropout": -0.1}, "greater than or equal to 0"),
    ],
)
def test_fields_that_disagree_are_refused_by_the_recipe_alone(
    fields: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        Conv.model_validate(fields)


def test_batch_norm_leaves_out_the_first_map_unless_asked() -> None:
    def norms(spec: Conv) -> list[str]:
        network = spec.build(MNIST)
        return [name for name, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)]

    assert norms(Conv(norm="batch")) == ["layers.1.norm"]
    assert norms(Conv(norm="batch", first_norm=True)) == ["layers.0.norm", "layers.1.norm"]


def test_layer_and_instance_norm_give_zero_mean_and_unit_variance_over_their_axes() -> None:
    torch.manual_seed(0)
    maps = 3 * torch.randn(4, 128, 7, 7) + 2

    instance = Conv(norm="instance").build(MNIST).get_submodule("layers.1.norm")(maps)
    layer = Conv(norm="layer").build(MNIST).get_submodule("layers.1.norm")(maps)

    for normalised, axes in ((instance, [2, 3]), (layer, [1, 2, 3])):
        assert normalised.mean(axes).abs().max().item() < 1e-5
        variance = normalised.var(axes, correction=0)
        torch.testing.assert_close(variance, torch.ones_like(variance), rtol=0, atol=1e-4)


@pytest.mark.parametrize("head", ["linear", "convolution"])
def test_spectral_norm_brings_every_layer_to_largest_singular_value_1(head: str) -> None:
    torch.manual_seed(0)
    spec = Conv.model_validate({"base_channels": 8, "norm": "spectral", "head": head})
    network = spec.build(MNIST)
    for _ in range(50):  # one power iteration each
        network(torch.randn(2, 1, 28, 28))

    network.eval()
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    largest = [torch.linalg.svdvals(layer.weight.flatten(1))[0].item() for layer in layers]

    assert largest == pytest.approx([1.0, 1.0, 1.0], abs=1e-3)


def test_a_spectrally_normalised_discriminator_reloads_to_the_same_logits() -> None:
    spec = Conv(base_channels=4, norm="spectral")
    images = torch.randn(3, 1, 28, 28)
    first, second = spec.build(MNIST).eval(), spec.build(MNIST).eval()

    assert not torch.equal(first(images), second(images))
    second.load_state_dict(first.state_dict(), strict=True)

    assert torch.equal(first(images), second(images))


def test_dropout_falls_on_single_numbers_and_not_on_whole_channels() -> None:
    torch.manual_seed(0)
    dropout = Conv(dropout=0.3).build(MNIST).get_submodule("layers.0.dropout")

    maps = dropout(torch.ones(16, 64, 14, 14))

    assert (maps == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert not (maps == 0).flatten(2).all(dim=2).any()


@pytest.mark.parametrize(
    "spec",
    [FLUX, GLUON, NORM_LAST, NORM_FREE, Conv(norm="spectral"), Conv(norm="layer")],
    ids=["flux", "gluon", "norm last", "norm-free", "spectral", "layer"],
)
def test_logits_reach_every_parameter_and_a_gradient_penalty_every_kernel(spec: Conv) -> None:
    torch.manual_seed(0)
    # He: with N(0, 0.02²) and no norm, six layers shrink a slope to nothing
    small = spec.model_copy(update={"base_channels": 4, "dropout": 0.0, "init": "he"})
    network = small.build(ImageShape(2, 32, 32)).double()
    images = torch.randn(4, 2, 32, 32, dtype=torch.float64, requires_grad=True)

    logits = network(images)
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    slope.square().sum().backward(retain_graph=True)  # type: ignore[no-untyped-call]
    unpenalised = _without_gradient(network)
    network.zero_grad()
    logits.square().sum().backward()

    assert not [name for name in unpenalised if "convolution" in name and "bias" not in name]
    assert _without_gradient(network) == []


def _without_gradient(network: nn.Module) -> list[str]:
    return [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or parameter.grad.abs().max() < 1e-9
    ]


def test_channels_last_changes_no_logit() -> None:
    torch.manual_seed(0)
    network = Conv(base_channels=4).build(MNIST).double().eval()
    images = torch.randn(3, 1, 28, 28, dtype=torch.float64)

    before = network(images)
    channels_last = torch.channels_last
    after = network.to(memory_format=channels_last)(images.to(memory_format=channels_last))

    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)


# TensorFlow's 'same' padding.


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [
        (28, 5, 2, (1, 2)),
        (14, 5, 2, (1, 2)),
        (7, 5, 2, (2, 2)),
        (4, 5, 1, (2, 2)),
        (28, 4, 2, (1, 1)),
        (7, 4, 2, (1, 2)),
        (28, 4, 1, (1, 2)),
        (28, 3, 2, (0, 1)),
        (5, 1, 2, (0, 0)),
    ],
)
def test_same_padding_is_what_tensorflow_writes(
    size: int, kernel: int, stride: int, padding: tuple[int, int]
) -> None:
    assert same_padding(size, kernel, stride) == padding


@pytest.mark.parametrize(
    ("number", "size", "rows"),
    [(0, 28, range(1, 28, 2)), (1, 14, range(1, 14, 2)), (2, 7, range(0, 7, 2)), (3, 4, range(4))],
)
def test_same_padded_kernels_are_centred_where_tensorflow_centres_them(
    number: int, size: int, rows: range
) -> None:
    layer = KERAS.build(MNIST).get_submodule(f"layers.{number}")
    convolution = layer.get_submodule("convolution")
    with torch.no_grad():
        for parameter in convolution.parameters():
            parameter.zero_()
        convolution.get_parameter("weight")[0, 0, 2, 2] = 1.0
    channels = convolution.get_parameter("weight").shape[1]
    maps = torch.zeros(1, channels, size, size)
    maps[0, 0] = torch.arange(1.0, size * size + 1).view(size, size)

    sampled = layer.eval()(maps)[0, 0]

    torch.testing.assert_close(sampled, maps[0, 0][list(rows)][:, list(rows)])


@pytest.mark.parametrize("size", [28, 14, 7, 13])
def test_a_same_padded_convolution_sums_the_products_of_explicit_indices(size: int) -> None:
    torch.manual_seed(0)
    spec = Conv(base_channels=1, strides=[2], kernel_size=5, padding="same", slope=1.0, dropout=0.0)
    layer = spec.build(ImageShape(1, size, size)).get_submodule("layers.0").double()
    kernel = layer.get_parameter("convolution.weight")[0, 0]
    image = torch.randn(size, size, dtype=torch.float64)

    computed = layer(image[None, None])[0, 0]

    outputs = (size + 1) // 2
    first = -(((outputs - 1) * 2 + 5 - size) // 2)  # row of the first kernel's first tap
    expected = torch.zeros(outputs, outputs, dtype=torch.float64)
    for i in range(outputs):
        for j in range(outputs):
            for a in range(5):
                for b in range(5):
                    row, column = first + 2 * i + a, first + 2 * j + b
                    if 0 <= row < size and 0 <= column < size:
                        expected[i, j] += image[row, column] * kernel[a, b]
    torch.testing.assert_close(computed, expected, rtol=0, atol=1e-12)


def test_a_keras_map_of_28_becomes_14_then_7_then_4_and_stays_4() -> None:
    network, maps = KERAS.build(MNIST), torch.zeros(1, 1, 28, 28)
    sizes = []
    for layer in network.get_submodule("layers").children():
        maps = layer(maps)
        sizes.append(tuple(maps.shape[1:]))

    assert sizes == [(64, 14, 14), (128, 7, 7), (256, 4, 4), (512, 4, 4)]


# Forward passes, written again in plain operations with the numbers of each source.


Draw = Callable[[], Tensor]
"""Hands out the parameters of a network in the order the network uses them."""


def lrelu(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def batch_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    mean = x.mean((0, 2, 3), keepdim=True)
    variance = (x - mean).square().mean((0, 2, 3), keepdim=True)
    normalised = (x - mean) / (variance + 1e-5).sqrt()
    return normalised * weight.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)


def flux(x: Tensor, w: Draw) -> Tensor:
    for _ in range(2):
        x = lrelu(F.conv2d(x, w(), w(), stride=2, padding=1))
    return (x.reshape(len(x), 6272) @ w().T + w())[:, 0]


def gluon(x: Tensor, w: Draw) -> Tensor:
    for _ in range(4):
        x = lrelu(batch_norm(F.conv2d(x, w(), stride=2, padding=1), w(), w()))
    return F.conv2d(x, w())[:, 0, 0, 0]


def keras(x: Tensor, w: Draw) -> Tensor:
    for pad, stride in (((1, 2, 1, 2), 2), ((1, 2, 1, 2), 2), ((2, 2, 2, 2), 2), ((2,) * 4, 1)):
        x = lrelu(F.conv2d(F.pad(x, pad), w(), w(), stride=stride))
    return (x.reshape(len(x), 512 * 4 * 4) @ w().T + w())[:, 0]


def norm_last(x: Tensor, w: Draw) -> Tensor:
    x = lrelu(F.conv2d(x, w(), w(), stride=2, padding=1))
    for _ in range(2):
        x = batch_norm(lrelu(F.conv2d(x, w(), w(), stride=2, padding=1)), w(), w())
    return (x.reshape(len(x), -1) @ w().T + w())[:, 0]


def norm_free(x: Tensor, w: Draw) -> Tensor:
    for _ in range(4):
        x = lrelu(F.conv2d(x, w(), w(), padding=1))
        x = F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=False)
    x = lrelu(F.conv2d(x, w(), w(), padding=1))
    return (x.reshape(len(x), -1) @ w().T + w())[:, 0]


@pytest.mark.parametrize(
    ("spec", "image", "reference"),
    [
        pytest.param(FLUX, MNIST, flux, id="flux"),
        pytest.param(GLUON, SPRITES, gluon, id="gluon"),
        pytest.param(KERAS, MNIST, keras, id="keras"),
        pytest.param(NORM_LAST, MNIST, norm_last, id="norm last"),
        pytest.param(NORM_FREE, SPRITES, norm_free, id="norm-free"),
    ],
)
def test_a_discriminator_computes_what_its_source_says(
    spec: Conv, image: ImageShape, reference: Callable[[Tensor, Draw], Tensor]
) -> None:
    torch.manual_seed(0)
    network = spec.build(image).double()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    with torch.no_grad():  # away from special values, so that no scale or shift goes unnoticed
        for parameter in network.parameters():
            parameter.copy_(0.05 * torch.randn_like(parameter) + 0.5 * (parameter.dim() == 1))
    images = torch.randn(3, image.channels, image.height, image.width, dtype=torch.float64)
    weights = iter(list(network.parameters()))

    with torch.no_grad():
        logits, expected = network(images), reference(images, weights.__next__)

    assert next(weights, None) is None
    assert expected.std() > 1e-3
    torch.testing.assert_close(logits, expected, rtol=1e-12, atol=1e-10)


def test_dropout_of_maps_sets_whole_maps_to_zero() -> None:
    spec = Conv(base_channels=8, strides=[2], dropout=0.5, dropout_of="maps")

    layer = spec.build(ImageShape(1, 8, 8)).layers[0]
    maps = layer(torch.rand(64, 1, 8, 8)).flatten(2)

    dropped = (maps == 0).all(2)
    assert torch.equal(dropped, (maps == 0).any(2))
    assert 0.4 < float(dropped.float().mean()) < 0.6
