"""DCGAN generators: sizes, parameter counts, and forward passes against plain operations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor, nn

from ganzoo.api import GanzooError, GeneratorSpec, ImageShape
from ganzoo_dcgan.generator_network import transposed_convolution
from ganzoo_dcgan.generators import Transpose, Upsample

MNIST = ImageShape(1, 28, 28)
MNIST_UNIT = ImageShape(1, 28, 28, low=0.0, high=1.0)
SPRITES = ImageShape(3, 64, 64)

FLUX = Transpose()
FLUX_BIASED = Transpose(bias=True, stem_bias=True, init="glorot")
GLUON = Transpose(stem="convolution", scales=[2, 2, 2, 2])
KERAS = Upsample(
    base_channels=32,
    scales=[2, 2, 1, 1],
    kernel_size=5,
    stem_bias=True,
    stem_dropout=0.4,
    bias=True,
    norm_eps=1e-3,
    init="glorot",
    output="sigmoid",
)
NORM_FIRST = Upsample(
    base_channels=64, scales=[2, 2], stem_bias=True, bias=True, order="norm_convolution"
)
NORM_FREE = Upsample(
    base_channels=32,
    scales=[1, 2, 2, 2, 2, 1],
    widths=[4, 16, 8, 4, 2, 1],
    stem="constant",
    stem_bias=True,
    kernel_size=3,
    same_kernel_size=3,
    bias=True,
    norm="none",
    activation="leaky_relu",
    interpolation="bilinear",
    output="linear",
    linear_init="normal",
)
RESIZED = Upsample(stem="convolution", scales=[2, 2, 2, 2])


@pytest.mark.parametrize(
    ("spec", "latent_size", "image", "parameters"),
    [
        pytest.param(FLUX, 100, MNIST, 2_231_168, id="flux"),
        pytest.param(FLUX_BIASED, 300, MNIST, 4_752_705, id="flux with biases"),
        pytest.param(GLUON, 100, SPRITES, 3_576_704, id="gluon"),
        pytest.param(KERAS, 100, MNIST_UNIT, 2_368_705, id="keras"),
        pytest.param(NORM_FREE, 100, SPRITES, 2_782_851, id="norm-free"),
        pytest.param(Upsample(), 100, MNIST, 2_173_376, id="upsample, 28x28"),
        pytest.param(RESIZED, 100, SPRITES, 2_371_136, id="upsample, 64x64"),
    ],
)
def test_published_generators_have_their_number_of_parameters(
    spec: GeneratorSpec, latent_size: int, image: ImageShape, parameters: int
) -> None:
    network = spec.build(latent_size, image)

    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_keras_counts_running_statistics_too() -> None:
    network = KERAS.build(100, MNIST_UNIT)

    statistics = [buffer for buffer in network.buffers() if buffer.dim() == 1]

    assert sum(buffer.numel() for buffer in statistics) == 25_536


@pytest.mark.parametrize("name", ["transpose", "upsample"])
@pytest.mark.parametrize("stem", ["linear", "convolution", "constant"])
@pytest.mark.parametrize(
    ("channels", "height", "width"), [(1, 28, 28), (3, 32, 32), (4, 64, 64), (3, 48, 32), (1, 4, 8)]
)
def test_images_have_the_promised_shape(
    name: str, stem: str, channels: int, height: int, width: int
) -> None:
    spec_class: type[GeneratorSpec] = Transpose if name == "transpose" else Upsample
    spec = spec_class.model_validate({"base_channels": 2, "stem": stem})

    images = spec.build(5, ImageShape(channels, height, width))(torch.randn(3, 5))

    assert images.shape == (3, channels, height, width)


@pytest.mark.parametrize("kernel", range(2, 8))
@pytest.mark.parametrize("size", [1, 3, 7])
def test_a_transposed_convolution_doubles_exactly_with_every_kernel(kernel: int, size: int) -> None:
    layer = transposed_convolution(1, 1, 2, kernel, False)["convolution"]

    assert layer(torch.zeros(1, 1, size, size)).shape == (1, 1, 2 * size, 2 * size)


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_a_transposed_convolution_of_stride_1_keeps_the_size(kernel: int) -> None:
    layer = transposed_convolution(1, 1, 1, kernel, False)["convolution"]

    assert layer(torch.zeros(1, 1, 7, 6)).shape == (1, 1, 7, 6)


@pytest.mark.parametrize("spec", [Transpose(), Upsample()], ids=["transpose", "upsample"])
def test_a_size_that_doubling_does_not_reach_is_named(spec: GeneratorSpec) -> None:
    with pytest.raises(GanzooError) as caught:
        spec.build(100, ImageShape(1, 28, 30))

    assert str(caught.value) == (
        f"generator.scales: '{spec.use}' doubles 2 times, and the images' 28×30 is not a multiple "
        "of 4; resize the images (height 28 or 32, width 28 or 32), change 'scales', or let them "
        "follow the size: scales = 'auto'"
    )


@pytest.mark.parametrize(
    ("output", "span"), [("tanh", (-1, 1)), ("sigmoid", (0, 1)), ("linear", None)]
)
def test_a_generator_says_in_which_range_its_images_are(output: str, span: object) -> None:
    assert Transpose.model_validate({"output": output}).output_range() == span


@pytest.mark.parametrize(
    ("spec_class", "fields", "message"),
    [
        (Transpose, {"widths": [2, 1]}, "'widths' names 2 maps and 'scales' 3 layers"),
        (Transpose, {"same_kernel_size": 4}, "'same_kernel_size' is 4, and only odd kernels"),
        (Transpose, {"kernel_size": 1}, "'kernel_size' is 1, which leaves holes"),
        (Upsample, {"kernel_size": 4}, "'kernel_size' is 4, and only odd kernels"),
        (Upsample, {"norm": "none", "gamma_std": 0.02}, "'gamma_std' needs norm = 'batch'"),
        (Transpose, {"norm_affine": False, "gamma_std": 0.02}, "'gamma_std' needs norm = 'batch'"),
        (Transpose, {"scales": []}, "at least 1 item"),
        (Transpose, {"scales": [3]}, "less than or equal to 2"),
        (Transpose, {"scales": [True]}, "valid integer"),
        (Transpose, {"base_channels": 0}, "greater than or equal to 1"),
        (Transpose, {"dropout": 1.0}, "less than 1"),
        (Transpose, {"basechannels": 64}, "Extra inputs are not permitted"),
    ],
)
def test_fields_that_disagree_are_refused_by_the_recipe_alone(
    spec_class: type[GeneratorSpec], fields: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        spec_class.model_validate(fields)


def test_two_disagreements_are_reported_together() -> None:
    with pytest.raises(ValidationError, match=r"'widths' names 2.*'same_kernel_size' is 2"):
        Transpose(widths=[2, 1], same_kernel_size=2)


@pytest.mark.parametrize(("output", "low"), [("tanh", -1.0), ("sigmoid", 0.0)])
def test_images_stay_in_the_value_range_of_the_data(output: str, low: float) -> None:
    spec = Transpose.model_validate({"base_channels": 2, "output": output, "init_std": 5.0})
    network = spec.build(8, ImageShape(1, 8, 8, low=low, high=1.0))

    images = network(torch.randn(16, 8))

    assert low <= images.min().item() < low + 0.01
    assert 0.99 < images.max().item() <= 1.0


@pytest.mark.parametrize(
    "spec",
    [FLUX, GLUON, NORM_FREE, NORM_FIRST],
    ids=["flux", "gluon", "norm-free", "norm first"],
)
def test_every_parameter_of_a_generator_gets_a_gradient(spec: GeneratorSpec) -> None:
    torch.manual_seed(0)
    small = spec.model_copy(update={"base_channels": 4})
    network = small.build(6, ImageShape(1, 32, 32)).double()

    images = network(torch.randn(4, 6, dtype=torch.float64))
    (images * torch.randn_like(images)).sum().backward()

    untrained = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or parameter.grad.abs().max() < 1e-9
    ]
    assert untrained == []


def test_equal_seeds_make_equal_generators_and_other_seeds_do_not() -> None:
    def weights(seed: int) -> Tensor:
        torch.manual_seed(seed)
        network = Transpose(base_channels=2).build(3, ImageShape(1, 8, 8))
        return nn.utils.parameters_to_vector(network.parameters())

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_channels_last_changes_no_pixel() -> None:
    torch.manual_seed(0)
    network = Transpose(base_channels=4).build(6, ImageShape(3, 16, 16)).double().eval()
    latent = torch.randn(2, 6, dtype=torch.float64)

    before = network(latent)
    after = network.to(memory_format=torch.channels_last)(latent)

    torch.testing.assert_close(after, before, rtol=0, atol=1e-12)


def test_dropout_of_the_stem_and_of_the_layers_is_off_in_eval_mode_only() -> None:
    torch.manual_seed(0)
    spec = Transpose(base_channels=4, stem_dropout=0.4, dropout=0.2, norm="none")
    network = spec.build(6, ImageShape(1, 8, 8))
    latent = torch.randn(2, 6)

    shares = [m.p for m in network.modules() if isinstance(m, nn.Dropout)]

    assert shares == [0.4, 0.2, 0.2]
    assert not torch.equal(network(latent), network(latent))
    network.eval()
    assert torch.equal(network(latent), network(latent))


# Forward passes, written again in plain operations with the numbers of each source.


Draw = Callable[[], Tensor]
"""Hands out the parameters of a network in the order the network uses them."""


def batch_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    axes = [axis for axis in range(x.dim()) if axis != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    mean = x.mean(axes, keepdim=True)
    variance = (x - mean).square().mean(axes, keepdim=True)
    return (x - mean) / (variance + eps).sqrt() * weight.view(shape) + bias.view(shape)


def nearest(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def flux(latent: Tensor, w: Draw) -> Tensor:
    x = (latent @ w().T).clone()
    x = batch_norm(x, w(), w()).relu().view(-1, 256, 7, 7)
    x = batch_norm(F.conv_transpose2d(x, w(), stride=1, padding=2), w(), w()).relu()
    x = batch_norm(F.conv_transpose2d(x, w(), stride=2, padding=1), w(), w()).relu()
    return F.conv_transpose2d(x, w(), stride=2, padding=1).tanh()


def gluon(latent: Tensor, w: Draw) -> Tensor:
    x = F.conv_transpose2d(latent[:, :, None, None], w(), stride=1, padding=0)
    x = batch_norm(x, w(), w()).relu()
    for _ in range(3):
        x = batch_norm(F.conv_transpose2d(x, w(), stride=2, padding=1), w(), w()).relu()
    return F.conv_transpose2d(x, w(), stride=2, padding=1).tanh()


def keras(latent: Tensor, w: Draw) -> Tensor:
    x = latent @ w().T + w()
    x = batch_norm(x, w(), w(), eps=1e-3).relu().view(-1, 256, 7, 7)
    for enlarge in (nearest, nearest, lambda x: x):
        x = F.conv2d(enlarge(x), w(), w(), padding=2)
        x = batch_norm(x, w(), w(), eps=1e-3).relu()
    return F.conv2d(x, w(), w(), padding=2).sigmoid()


def norm_first(latent: Tensor, w: Draw) -> Tensor:
    x = (latent @ w().T + w()).view(-1, 128, 7, 7)
    x = F.conv2d(nearest(batch_norm(x, w(), w())), w(), w(), padding=1).relu()
    return F.conv2d(nearest(batch_norm(x, w(), w())), w(), w(), padding=1).tanh()


def norm_free(latent: Tensor, w: Draw) -> Tensor:
    constant = w().expand(len(latent), -1, -1, -1)
    projection = (latent @ w().T + w()).view(-1, latent.shape[1], 4, 4)
    x = torch.cat([constant, projection], dim=1)
    x = F.leaky_relu(F.conv2d(x, w(), w(), padding=1), 0.2)
    for _ in range(4):
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = F.leaky_relu(F.conv2d(x, w(), w(), padding=1), 0.2)
    return F.conv2d(x, w(), w(), padding=1)


@pytest.mark.parametrize(
    ("spec", "image", "reference"),
    [
        pytest.param(FLUX, MNIST, flux, id="flux"),
        pytest.param(GLUON, SPRITES, gluon, id="gluon"),
        pytest.param(KERAS, MNIST_UNIT, keras, id="keras"),
        pytest.param(NORM_FIRST, MNIST, norm_first, id="norm first"),
        pytest.param(NORM_FREE, SPRITES, norm_free, id="norm-free"),
    ],
)
def test_a_generator_computes_what_its_source_says(
    spec: GeneratorSpec, image: ImageShape, reference: Callable[[Tensor, Draw], Tensor]
) -> None:
    torch.manual_seed(0)
    network = spec.build(100, image).double()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    with torch.no_grad():  # away from special values, so that no scale or shift goes unnoticed
        for parameter in network.parameters():
            parameter.copy_(0.05 * torch.randn_like(parameter) + (parameter.dim() == 1))
    latent = torch.randn(2, 100, dtype=torch.float64)
    weights = iter(list(network.parameters()))

    with torch.no_grad():
        images, expected = network(latent), reference(latent, weights.__next__)

    assert next(weights, None) is None
    assert expected.std() > 1e-3
    torch.testing.assert_close(images, expected, rtol=0, atol=1e-10)


# Porting traps.


def test_batch_norm_takes_epsilon_and_momentum_each_in_its_own_place() -> None:
    torch.manual_seed(0)
    network = Upsample(norm_eps=1e-3, norm_momentum=0.2).build(4, MNIST)
    norm = network.get_submodule("layers.0.norm")
    maps = 0.1 * torch.randn(64, 128, 8, 8) + 3.0

    normalised = norm(maps)

    # √(0.01 / (0.01 + 0.001)) = 0.953; with an epsilon of 0.8 in its place it would be 0.111
    assert normalised.std().item() == pytest.approx(0.9535, abs=0.005)
    assert norm.get_buffer("running_mean").mean().item() == pytest.approx(0.2 * 3.0, rel=0.01)


def test_the_linear_stem_normalises_each_number_and_the_convolution_each_channel() -> None:
    linear = Transpose(base_channels=2).build(4, ImageShape(1, 8, 8))
    convolution = Transpose(base_channels=2, stem="convolution").build(4, ImageShape(1, 8, 8))

    assert linear.get_parameter("stem.norm.weight").shape == (8 * 2 * 2,)
    assert convolution.get_parameter("stem.norm.weight").shape == (8,)


def test_a_stem_can_be_normalised_by_channel_with_an_epsilon_of_its_own_and_no_activation() -> None:
    spec = Upsample(
        scales=[2, 1],
        base_channels=2,
        norm_eps=0.8,
        stem_norm="channels",
        stem_norm_eps=1e-5,
        stem_activation=False,
    )

    stem = spec.build(3, ImageShape(1, 8, 8)).stem
    map_ = stem(torch.randn(50, 3)).detach()

    assert [name for name, _ in stem.named_children()] == ["linear", "reshape", "norm"]
    assert (stem.norm.num_features, stem.norm.eps) == (4, 1e-5)
    torch.testing.assert_close(map_.mean((0, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    assert float(map_.min()) < -0.5


def test_a_bare_stem_takes_no_norm_of_its_own() -> None:
    with pytest.raises(ValueError, match="is a bare map: omit"):
        Upsample(order="norm_convolution", stem_activation=False)
