"""The cheaper forms of the layers compute what PyTorch's layers compute, gradients included."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import register_parametrization

from ganzoo_dcgan.convolution import dense, fourier, patches
from ganzoo_dcgan.layers import (
    Convolution,
    Dropout,
    TransposedConvolution,
    UpsampledConvolution,
)

CLOSE = {torch.float64: 1e-11, torch.float32: 2e-5}
"""Largest difference, relative to the largest number of the result."""


def plain(layer: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return what PyTorch's own layer does with the same weights."""
    if isinstance(layer, UpsampledConvolution):
        return lambda maps: nn.Conv2d.forward(layer, F.interpolate(maps, scale_factor=2))
    if isinstance(layer, nn.Conv2d):
        return lambda maps: nn.Conv2d.forward(layer, maps)
    assert isinstance(layer, nn.ConvTranspose2d)
    return lambda maps: nn.ConvTranspose2d.forward(layer, maps)


def frozen(layer: Convolution) -> Convolution:
    """Return a layer as the generator's half of a step has it: its weights want no gradient."""
    layer.requires_grad_(False)
    return layer


LAYERS = {
    "fourier_transposed": lambda: (
        TransposedConvolution(48, 40, 5, 1, 2, bias=False),
        (3, 48, 7, 7),
    ),
    "fourier_convolution": lambda: (Convolution(40, 48, 5, padding=2), (2, 40, 6, 8)),
    "plain_three": lambda: (Convolution(64, 64, 3, padding=1), (2, 64, 6, 6)),
    "plain_large": lambda: (Convolution(300, 240, 5, padding=2), (1, 300, 8, 8)),
    "patches_convolution": lambda: (Convolution(1, 6, 4, 2, 1), (3, 1, 22, 20)),
    "patches_frozen": lambda: (frozen(Convolution(3, 6, 4, 2, 1)), (3, 3, 12, 14)),
    "patches_keeping": lambda: (frozen(Convolution(2, 6, 3, padding=1)), (3, 2, 12, 14)),
    "patches_left_over": lambda: (Convolution(1, 6, 4, 2, 1), (3, 1, 21, 19)),
    "patches_transposed": lambda: (TransposedConvolution(6, 1, 4, 2, 1), (3, 6, 10, 9)),
    "patches_output_padding": lambda: (
        TransposedConvolution(6, 1, 5, 2, 2, output_padding=1),
        (3, 6, 10, 9),
    ),
    "dense_convolution": lambda: (Convolution(8, 6, 4, 2, 1), (3, 8, 6, 4)),
    "dense_left_over": lambda: (Convolution(2, 6, 4, 2, 1), (3, 2, 7, 5)),
    "dense_keeping": lambda: (Convolution(2, 4, 3, padding=1), (2, 2, 7, 6)),
    "dense_transposed": lambda: (TransposedConvolution(6, 1, 4, 2, 1), (3, 6, 7, 5)),
    "dense_output_padding": lambda: (
        TransposedConvolution(6, 2, 5, 2, 2, output_padding=1),
        (3, 6, 3, 4),
    ),
    "dense_stem": lambda: (TransposedConvolution(70, 40, 4), (3, 70, 1, 1)),
    "dense_head": lambda: (Convolution(90, 30, 4), (3, 90, 4, 4)),
    "dense_upsampled": lambda: (UpsampledConvolution(6, 5, 3, bias=True), (3, 6, 3, 4)),
    "upsampled": lambda: (UpsampledConvolution(6, 5, 3, bias=True), (3, 6, 7, 9)),
    "upsampled_to_one": lambda: (UpsampledConvolution(6, 1, 3, bias=False), (3, 6, 10, 9)),
    "upsampled_by_five": lambda: (UpsampledConvolution(4, 5, 5, bias=True), (2, 4, 9, 9)),
    "plain_stride": lambda: (Convolution(8, 6, 4, 2, 1), (3, 8, 12, 10)),
    "plain_colour": lambda: (Convolution(3, 6, 4, 2, 1), (3, 3, 12, 14)),
    "plain_more_colours": lambda: (frozen(Convolution(4, 6, 4, 2, 1)), (3, 4, 12, 10)),
    "plain_transposed": lambda: (TransposedConvolution(6, 8, 4, 2, 1), (3, 6, 7, 5)),
}


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_gives_the_same_maps_gradients_and_gradients_of_gradients_as_pytorchs(
    name: str, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    layer, shape = LAYERS[name]()
    layer.to(dtype)
    images = torch.randn(shape, dtype=dtype, requires_grad=True)
    inputs = [images, *(weight for weight in layer.parameters() if weight.requires_grad)]

    def everything(forward: Callable[[Tensor], Tensor]) -> list[Tensor]:
        maps = forward(images)
        # A cubic sum, so that second derivatives reach the images and the weights.
        first = torch.autograd.grad((maps**3).mean(), inputs, create_graph=True)
        second = torch.autograd.grad(first[0].square().sum(), inputs)
        return [maps, *first, *second]

    for ours, theirs in zip(everything(layer), everything(plain(layer)), strict=True):
        assert ours.shape == theirs.shape
        scale = float(theirs.detach().abs().max())
        assert float((ours - theirs).detach().abs().max()) <= CLOSE[dtype] * scale


def test_the_forms_are_chosen_where_they_are_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    for module, name in (
        (fourier, "convolve"),
        (patches, "convolve"),
        (patches, "spread"),
        (dense, "convolve"),
        (dense, "spread"),
    ):
        form = getattr(module, name)
        label = f"{module.__name__.rpartition('.')[2]}.{name}"

        def spy(*args: object, form: object = form, label: str = label, **rest: object) -> object:
            used.append(label)
            return form(*args, **rest)  # type: ignore[operator]

        monkeypatch.setattr(module, name, spy)

    for name in LAYERS:
        layer, shape = LAYERS[name]()
        used.clear()
        layer(torch.randn(shape, requires_grad=True))
        kind = name.partition("_")[0]
        wanted = {"fourier": "fourier.", "patches": "patches.", "dense": "dense."}.get(kind)
        assert bool(used) == (wanted is not None or name == "upsampled_to_one"), name
        assert wanted is None or used[0].startswith(wanted)


class Counting(nn.Module):
    """A parametrization that notes how often it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.readings = 0

    def forward(self, weight: Tensor) -> Tensor:
        self.readings += 1
        return weight * 1.5


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_reads_its_weight_and_its_bias_once_a_forward_pass(name: str) -> None:
    layer, shape = LAYERS[name]()
    names = [key for key, _ in layer.named_parameters()]
    counts = [Counting() for _ in names]
    for key, count in zip(names, counts, strict=True):
        register_parametrization(layer, key, count)

    for number, dtype in enumerate((torch.float32, torch.float64, torch.bfloat16), start=1):
        layer.to(dtype)
        start = [count.readings for count in counts]
        layer(torch.randn(shape, dtype=dtype, requires_grad=number < 3))
        assert [count.readings - before for count, before in zip(counts, start, strict=True)] == [
            1 for _ in names
        ]


@pytest.mark.parametrize("name", LAYERS)
def test_a_batch_of_no_images_gives_maps_of_the_same_size_and_gradients_of_zero(name: str) -> None:
    layer, shape = LAYERS[name]()
    images = torch.randn(0, *shape[1:], requires_grad=True)
    weights = [weight for weight in layer.parameters() if weight.requires_grad]

    maps = layer(images)
    found = torch.autograd.grad(maps.sum(), [images, *weights], create_graph=True)

    assert maps.shape == (0, *layer(torch.randn(shape)).shape[1:])
    assert found[0].shape == images.shape
    assert all(
        torch.equal(gradient, torch.zeros_like(weight))
        for gradient, weight in zip(found[1:], weights, strict=True)
    )


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_automatic_mixed_precision_and_tracing_see_pytorchs_own_layer() -> None:
    layer = TransposedConvolution(48, 40, 5, 1, 2, bias=False)
    maps = torch.randn(2, 48, 7, 7)

    with torch.autocast("cpu", torch.bfloat16):
        mixed = layer(maps)
    traced = torch.jit.trace(layer, maps)

    assert mixed.dtype == torch.bfloat16
    assert "conv_transpose2d" in str(traced.inlined_graph) or "_convolution" in str(
        traced.inlined_graph
    )


def test_a_map_smaller_than_the_kernel_is_refused_in_pytorchs_words() -> None:
    with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
        Convolution(1, 1, 4, 2)(torch.randn(2, 1, 1, 1))


def test_the_transforms_made_in_inference_mode_serve_training() -> None:
    fourier.matrices.cache_clear()
    layer = TransposedConvolution(48, 40, 5, 1, 2, bias=False)
    maps = torch.randn(2, 48, 7, 7)

    with torch.inference_mode():
        layer(maps)

    layer(maps).sum().backward()
    assert layer.weight.grad is not None


def test_names_and_shapes_of_the_weights_are_pytorchs() -> None:
    pairs = [
        (Convolution(3, 4, 5, padding=2), nn.Conv2d(3, 4, 5, padding=2)),
        (TransposedConvolution(3, 4, 4, 2, 1), nn.ConvTranspose2d(3, 4, 4, 2, 1)),
        (UpsampledConvolution(3, 4, 3, bias=True), nn.Conv2d(3, 4, 3, padding=1)),
        (Dropout(0.3), nn.Dropout(0.3)),
    ]

    for ours, theirs in pairs:
        shapes = {name: value.shape for name, value in theirs.state_dict().items()}
        assert {name: value.shape for name, value in ours.state_dict().items()} == shapes


@pytest.mark.parametrize("share", [0.25, 0.3, 0.5, 0.999])
def test_dropout_drops_its_share_and_keeps_the_mean(share: float) -> None:
    torch.manual_seed(1)
    number = 400_000
    layer = Dropout(share)

    kept = layer(torch.ones(number))

    rounded = round(share * 65536) / 65536
    spread = (share * (1 - share) / number) ** 0.5
    assert abs(float((kept == 0).double().mean()) - rounded) < 5 * spread
    assert kept.unique().tolist() == pytest.approx([0, 1 / (1 - rounded)])


def test_dropout_is_unbiased_at_every_place_of_four() -> None:
    """Four numbers share a draw of 64 bits; each quarter must be as random as the others."""
    torch.manual_seed(2)
    kept = (Dropout(0.3)(torch.ones(400_000)) != 0).double().view(-1, 4)

    spread = (0.3 * 0.7 / len(kept)) ** 0.5
    assert float((kept.mean(0) - 0.7).abs().max()) < 5 * spread
    together = torch.corrcoef(kept.t()) - torch.eye(4)
    assert float(together.abs().max()) < 5 / len(kept) ** 0.5


def test_dropout_of_a_batch_that_lies_channels_last_takes_every_number_once() -> None:
    torch.manual_seed(3)
    images = torch.ones(4, 3, 6, 5).contiguous(memory_format=torch.channels_last)

    kept = Dropout(0.5)(images.requires_grad_())
    (gradient,) = torch.autograd.grad(kept.sum(), images)

    assert kept.shape == images.shape
    assert 0.3 < float((kept.detach() == 0).double().mean()) < 0.7
    assert torch.equal(gradient, kept.detach())


def test_dropout_draws_the_same_mask_from_the_same_seed_and_none_in_evaluation() -> None:
    layer = Dropout(0.3)
    images = torch.randn(5, 7)

    torch.manual_seed(4)
    first = layer(images)
    torch.manual_seed(4)
    second = layer(images)

    assert torch.equal(first, second)
    assert layer.eval()(images) is images or torch.equal(layer(images), images)
