"""Whole networks, in training, against the same networks made of PyTorch's own layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrize import register_parametrization

from ganzoo.api import GeneratorSpec, ImageShape
from ganzoo_dcgan import discriminator_network, generator_network, stems
from ganzoo_dcgan.convolution import dense, fourier, patches
from ganzoo_dcgan.discriminators import Conv
from ganzoo_dcgan.generators import Transpose, Upsample

CLOSE = 1e-12
LATENT = 10
LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


class Upsampled(nn.Conv2d):
    """Enlargement and convolution, one after the other."""

    def __init__(self, inputs: int, outputs: int, side: int, *, bias: bool) -> None:
        super().__init__(inputs, outputs, side, padding=side // 2, bias=bias)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return super().forward(F.interpolate(input, scale_factor=2))


class Spinning(nn.Module):
    """A stranger's parametrization that moves at each reading, as spectral norm does."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("turn", torch.zeros((), dtype=torch.float64))

    def forward(self, weight: Tensor) -> Tensor:
        if self.training:
            self.turn += 1
        return weight * (1 + self.turn / 10)


PARAMETRIZATIONS: dict[str, Callable[[nn.Module], object]] = {
    "nothing": lambda layer: layer,
    "spectral": parametrizations.spectral_norm,
    "spectral thrice": partial(parametrizations.spectral_norm, n_power_iterations=3),
    "weight norm": parametrizations.weight_norm,
    "orthogonal": partial(parametrizations.orthogonal, orthogonal_map="householder"),
    "a stranger's": lambda layer: [
        register_parametrization(layer, name, Spinning())
        for name in [key for key, _ in layer.named_parameters(recurse=False)]
    ],
}

DISCRIMINATORS = {
    "dense": (Conv(base_channels=4, strides=[2, 2, 2]), ImageShape(1, 28, 28)),
    "fourier": (
        Conv(
            base_channels=24,
            strides=[2, 2, 1],
            widths=[1, 2, 2],
            kernel_size=5,
            padding="same",
            head="convolution",
        ),
        ImageShape(1, 28, 28),
    ),
    "colour": (
        Conv(base_channels=6, strides=[2, 2, 2], head="convolution", bias=False),
        ImageShape(3, 32, 32),
    ),
    "averaged": (
        Conv(
            base_channels=6, strides=[2, 2, 1], downsample="average", kernel_size=3, first_norm=True
        ),
        ImageShape(1, 20, 28),
    ),
}
GENERATORS: dict[str, tuple[GeneratorSpec, ImageShape]] = {
    "fourier": (
        Transpose(base_channels=12, scales=[1, 2, 2], stem="convolution", bias=True),
        ImageShape(1, 28, 28),
    ),
    "linear stem": (
        Transpose(base_channels=6, scales=[2, 2, 2], stem_bias=True),
        ImageShape(3, 32, 32),
    ),
    "constant stem": (
        Upsample(base_channels=6, scales=[2, 1, 2], stem="constant", bias=True, norm="none"),
        ImageShape(1, 28, 28),
    ),
    "bilinear": (
        Upsample(base_channels=4, scales=[2, 2, 2], interpolation="bilinear"),
        ImageShape(1, 32, 32),
    ),
}


def twins(
    build: Callable[[], nn.Module], parametrize: Callable[[nn.Module], object]
) -> tuple[nn.Module, nn.Module]:
    """Return a network and the same one of PyTorch's layers, with equal weights and buffers."""
    networks = []
    for is_plain in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            if is_plain:
                patch.setattr(discriminator_network, "Convolution", nn.Conv2d)
                patch.setattr(generator_network, "Convolution", nn.Conv2d)
                patch.setattr(generator_network, "TransposedConvolution", nn.ConvTranspose2d)
                patch.setattr(generator_network, "UpsampledConvolution", Upsampled)
                patch.setattr(stems, "TransposedConvolution", nn.ConvTranspose2d)
            torch.manual_seed(0)
            network = build().double()
            for layer in [part for part in network.modules() if isinstance(part, LAYERS)]:
                parametrize(layer)
        networks.append(network)
    ours, plain = networks
    plain.load_state_dict(ours.state_dict(), strict=True)
    return ours, plain


def agree(ours: Tensor, theirs: Tensor) -> bool:
    """Compare relative to the largest number, with 1 as the least scale."""
    scale = max(1.0, float(theirs.detach().abs().max()))
    return float((ours - theirs).detach().abs().max()) <= CLOSE * scale


def train(network: nn.Module, given: list[Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield what two forward passes, their gradients and a small step give and leave behind."""
    for round_ in range(0, len(given), 2):
        first, second = (each.clone().requires_grad_() for each in given[round_ : round_ + 2])
        real, fake = network(first), network(second)
        yield "output", real
        yield "output", fake
        loss = F.softplus(-real).mean() + F.softplus(fake).mean()
        (slope,) = torch.autograd.grad(F.softplus(real).sum(), first, create_graph=True)
        yield "slope", slope
        network.zero_grad()
        (loss + slope.square().mean()).backward()
        for name, weight in network.named_parameters():
            if weight.grad is not None:
                yield name, weight.grad.clone()
                weight.data -= 0.01 * weight.grad / (1 + weight.grad.norm())
        for name, buffer in network.named_buffers():
            yield name, buffer.double().clone()


def compare(networks: tuple[nn.Module, nn.Module], shape: tuple[int, ...]) -> None:
    """Train both on the same four batches and compare all they give."""
    ours, plain = networks
    torch.manual_seed(1)
    given = [torch.randn(3, *shape, dtype=torch.float64) for _ in range(4)]

    steps = zip(train(ours, given), train(plain, given), strict=True)

    differing = [name for (name, one), (_, other) in steps if not agree(one, other)]
    assert not differing


@pytest.mark.parametrize("norm", ["none", "batch", "instance", "layer", "spectral"])
@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_a_discriminator_trains_as_one_of_pytorchs_layers(name: str, norm: str) -> None:
    spec, image = DISCRIMINATORS[name]
    spec = spec.model_copy(update={"norm": norm, "dropout": 0.0, "init": "torch"})

    compare(twins(lambda: spec.build(image), PARAMETRIZATIONS["nothing"]), shape_of(image))


@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_a_discriminator_trains_so_behind_any_parametrization(
    name: str, parametrization: str
) -> None:
    spec, image = DISCRIMINATORS[name]
    spec = spec.model_copy(update={"norm": "batch", "dropout": 0.0, "init": "torch"})

    compare(twins(lambda: spec.build(image), PARAMETRIZATIONS[parametrization]), shape_of(image))


@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_trains_so_behind_any_parametrization(name: str, parametrization: str) -> None:
    spec, image = GENERATORS[name]
    spec = spec.model_copy(update={"init": "torch"})

    compare(twins(lambda: spec.build(LATENT, image), PARAMETRIZATIONS[parametrization]), (LATENT,))


def test_the_networks_of_these_tests_take_every_form(monkeypatch: pytest.MonkeyPatch) -> None:
    used: set[object] = set()
    for module in (dense, fourier, patches):
        for name in {"convolve", "spread"} & set(dir(module)):
            form = getattr(module, name)

            def spy(*args: object, form: object = form, **rest: object) -> object:
                used.add(form)
                return form(*args, **rest)  # type: ignore[operator]

            monkeypatch.setattr(module, name, spy)

    for discriminator, image in DISCRIMINATORS.values():
        discriminator.build(image)(torch.randn(2, *shape_of(image), requires_grad=True))
    for generator, image in GENERATORS.values():
        generator.build(LATENT, image)(torch.randn(2, LATENT))

    assert len(used) == 5


def shape_of(image: ImageShape) -> tuple[int, int, int]:
    """Return (C, H, W)."""
    return image.channels, image.height, image.width
