"""StyleGAN2's networks: parameter counts of its configurations, values written out, its knobs."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.api import GanzooError, ImageShape
from ganzoo_classic.regularizers.path_length import PathLength
from ganzoo_stylegan2.filters import Course, Filtered
from ganzoo_stylegan2.generator_network import Layer
from ganzoo_stylegan2.specs import Stylegan2Discriminator, Stylegan2Generator

PLAIN: dict[str, Any] = {"form": "plain"}
WIDE: dict[str, Any] = {"channel_base": 32_768}
FEW: dict[str, Any] = {"channel_max": 128}
COUNTS: dict[str, tuple[int, int, dict[str, Any], int, dict[str, Any], int]] = {
    # name: side, classes, fields and count of the generator, and of the discriminator
    "cifar": (32, 0, {}, 19_947_539, PLAIN, 20_720_641),
    "cifar with classes": (32, 10, {}, 20_215_315, PLAIN, 23_089_664),
    "auto 32": (32, 0, {}, 19_947_539, {}, 21_507_073),
    "auto 64": (64, 0, {}, 22_243_608, {}, 23_407_361),
    "auto 128": (128, 0, {}, 22_949_277, {}, 23_882_369),
    "auto 256": (256, 0, {}, 23_191_522, {}, 24_001_089),
    "paper256": (256, 0, {"mapping_layers": 8}, 24_767_458, {}, 24_001_089),
    "stylegan2 256": (256, 0, {"mapping_layers": 8, **WIDE}, 30_034_338, WIDE, 28_864_129),
    "small 32": (32, 0, FEW, 2_284_307, FEW, 1_346_305),
}


def images_of(side: int, classes: int = 0) -> ImageShape:
    """Return the shape of square colour images."""
    return ImageShape(channels=3, height=side, width=side, num_classes=classes)


@pytest.mark.parametrize("name", COUNTS)
def test_a_configuration_has_its_number_of_parameters(name: str) -> None:
    side, classes, fields, its_count, its_fields, its_other = COUNTS[name]
    with torch.device("meta"):  # shapes without memory
        made = Stylegan2Generator(labels="mapping" if classes else "none", **fields).build(
            512, images_of(side, classes)
        )
        judge = Stylegan2Discriminator(
            labels="projection" if classes else "none", **its_fields
        ).build(images_of(side, classes))

    assert sum(each.numel() for each in made.parameters()) == its_count
    assert sum(each.numel() for each in judge.parameters()) == its_other


def filtered(maps: Tensor, up: int, down: int, front: int, behind: int) -> Tensor:
    """Zeros in between, zeros around, the filter number by number, every ``down``-th kept."""
    n, c, height, width = maps.shape
    spread = maps.new_zeros(n, c, height * up, width * up)
    spread[:, :, ::up, ::up] = maps
    spread = F.pad(spread, (front, behind, front, behind))
    taps = [1 / 8, 3 / 8, 3 / 8, 1 / 8]
    rows, columns = spread.shape[2] - 3, spread.shape[3] - 3
    found = sum(
        taps[i] * taps[j] * spread[:, :, i : i + rows, j : j + columns]
        for i in range(4)
        for j in range(4)
    )
    assert isinstance(found, Tensor)
    return found[:, :, ::down, ::down] * up**2


@pytest.mark.parametrize(
    ("course", "numbers"),
    [("doubled", (2, 1, 2, 1)), ("halved", (1, 2, 1, 1)), ("padded", (1, 1, 2, 2))],
)
def test_filtered_maps_are_the_direct_sum(
    course: Course, numbers: tuple[int, int, int, int]
) -> None:
    maps = torch.randn(2, 3, 4, 6).double()

    found = Filtered(course, (4, 6)).double()(maps)

    assert torch.allclose(found, filtered(maps, *numbers), rtol=1e-12, atol=1e-14)


def shaken(network: nn.Module) -> Any:
    """Return the network in float64 with every weight moved, so that no zero hides a term."""
    torch.manual_seed(1)
    for parameter in network.double().parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return network


# The reference: images one by one, kernels made for each, weights taken by their names.


def activated(numbers: Tensor) -> Tensor:
    """Leaky ReLU times √2."""
    return torch.where(numbers > 0, numbers, 0.2 * numbers) * math.sqrt(2)


def dense(vectors: Tensor, state: dict[str, Tensor], at: str, rate: float = 1.0) -> Tensor:
    """A linear layer with a weight of N(0, 1) / rate."""
    weight = state[f"{at}.weight"]
    return vectors @ weight.T * (rate / math.sqrt(weight.shape[1])) + state[f"{at}.bias"] * rate


def unit(vectors: Tensor) -> Tensor:
    """Rows with a mean square of 1."""
    return vectors / (vectors.square().mean(1, keepdim=True) + 1e-8).sqrt()


def mapped(
    latent: Tensor | None, labels: Tensor | None, state: dict[str, Tensor], at: str, layers: int
) -> Tensor:
    """The vectors of latents and classes."""
    parts = [] if latent is None else [unit(latent)]
    if labels is not None:
        table = state[f"{at}.embedding.weight"]
        known = F.one_hot(labels, len(table)).double() @ table / math.sqrt(len(table))
        parts.append(unit(known + state[f"{at}.bias"]))
    found = torch.cat(parts, 1)
    for number in range(layers):
        found = activated(dense(found, state, f"{at}.layers.{number}", 0.01))
    return found


def modulated(maps: Tensor, w: Tensor, state: dict[str, Tensor], at: str, *, grows: bool) -> Tensor:
    """A layer, equations 1 and 3, image by image; noise as it is fixed."""
    style = dense(w, state, f"{at}.style")
    weight = state[f"{at}.weight"]
    made = []
    for image, its_style in zip(maps, style, strict=True):
        if grows:
            kernel = weight / math.sqrt(9 * len(weight)) * its_style[:, None, None, None]
            kernel = kernel / (kernel.square().sum((0, 2, 3), keepdim=True) + 1e-8).sqrt()
            # A transposed convolution is one of maps with zeros in between, its kernel turned.
            spread = image.new_zeros(len(image), 2 * image.shape[1], 2 * image.shape[2])
            spread[:, ::2, ::2] = image
            grown = F.conv2d(F.pad(spread, (2, 1, 2, 1))[None], kernel.transpose(0, 1).flip(2, 3))
            made.append(filtered(grown, 1, 1, 1, 1)[0] * 4)
        else:
            kernel = weight / math.sqrt(9 * weight.shape[1]) * its_style[None, :, None, None]
            kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
            made.append(F.conv2d(image[None], kernel, padding=1)[0])
    noise = state[f"{at}.strength"] * state[f"{at}.fixed_noise"]
    return activated(torch.stack(made) + noise + state[f"{at}.bias"][:, None, None])


def convolved(
    maps: Tensor, state: dict[str, Tensor], at: str, *, halved: bool = False, plain: bool = False
) -> Tensor:
    """A layer of the discriminator, or a 1×1 convolution beside one."""
    weight = state[f"{at}.weight"]
    weight = weight / math.sqrt(weight[0].numel())
    if plain:
        maps = filtered(maps, 1, 2, 1, 1) if halved else maps
        return torch.einsum("oi,nihw->nohw", weight[:, :, 0, 0], maps)
    if halved:
        maps = F.conv2d(filtered(maps, 1, 1, 2, 2), weight)[:, :, ::2, ::2]
    else:
        maps = F.conv2d(maps, weight, padding=weight.shape[2] // 2)
    return activated(maps + state[f"{at}.bias"][:, None, None])


def drawn(styles: Tensor, state: dict[str, Tensor], form: str) -> Tensor:
    """Images of styles ``[N, L, W]``."""
    maps = state["constant"].repeat(len(styles), 1, 1, 1)
    image: Tensor | None = None
    sizes = styles.shape[1] // 2
    for number in range(sizes):
        at = f"blocks.{number}"
        before = maps
        if number:
            maps = modulated(maps, styles[:, 2 * number - 1], state, f"{at}.first", grows=True)
        maps = modulated(maps, styles[:, 2 * number], state, f"{at}.second", grows=False)
        if number and form == "residual":
            aside = filtered(before, 2, 1, 2, 1)
            maps = (maps + convolved(aside, state, f"{at}.aside.0", plain=True)) / math.sqrt(2)
        if form == "skip" or number == sizes - 1:
            style = dense(styles[:, 2 * number + 1], state, f"{at}.to_image.style")
            weight = state[f"{at}.to_image.weight"][:, :, 0, 0] / math.sqrt(maps.shape[1])
            made = torch.einsum("oi,ni,nihw->nohw", weight, style, maps)
            made = made + state[f"{at}.to_image.bias"][:, None, None]
            image = made if image is None else filtered(image, 2, 1, 2, 1) + made
    assert image is not None
    return image


def scored(
    images: Tensor, labels: Tensor | None, state: dict[str, Tensor], form: str, blocks: int
) -> Tensor:
    """Logits, groups of two."""
    maps = convolved(images, state, "from_image.0")
    for number in range(blocks):
        before, at = maps, f"blocks.{number}"
        maps = convolved(convolved(maps, state, f"{at}.first"), state, f"{at}.second", halved=True)
        if form == "residual":
            aside = convolved(before, state, f"{at}.aside", halved=True, plain=True)
            maps = (maps + aside) / math.sqrt(2)
        if form == "skip":
            images = filtered(images, 1, 2, 1, 1)
            maps = maps + convolved(images, state, f"from_image.{number + 1}")
    seen = []
    for first, second in zip(maps[::2], maps[1::2], strict=True):
        mean = (first + second) / 2
        variance = ((first - mean) ** 2 + (second - mean) ** 2) / 2
        spread = (variance + 1e-8).sqrt().mean().expand(1, *first.shape[1:])
        seen += [torch.cat([first, spread]), torch.cat([second, spread])]
    maps = convolved(torch.stack(seen), state, "last")
    vectors = dense(activated(dense(maps.flatten(1), state, "hidden")), state, "head")
    if labels is None:
        return vectors[:, 0]
    told = mapped(None, labels, state, "mapping", 2)
    return (vectors * told).sum(1) / math.sqrt(told.shape[1])


@pytest.mark.parametrize(
    ("form", "told"), [("skip", False), ("residual", True), ("plain", False), ("skip", True)]
)
def test_both_networks_compute_what_their_equations_say(form: Any, told: bool) -> None:
    few: dict[str, Any] = {"channel_base": 40, "channel_max": 5, "form": form}
    made = shaken(
        Stylegan2Generator(w_size=6, labels="mapping" if told else "none", **few).build(
            5, images_of(16, 3)
        )
    ).eval()
    judge = shaken(
        Stylegan2Discriminator(
            minibatch_stddev=2, mapping_layers=2, labels="projection" if told else "none", **few
        ).build(images_of(16, 3))
    )
    latent, classes = torch.randn(4, 5).double(), torch.tensor([0, 2, 1, 1]) if told else None

    state = made.state_dict()
    w = mapped(latent, classes, state, "mapping", 2)
    images = drawn(w[:, None].repeat(1, 6, 1), state, form)
    found = made(latent, classes)
    assert torch.allclose(found["w"], w[:, None].expand(-1, 6, -1), rtol=1e-10, atol=1e-12)
    assert torch.allclose(found["images"], images, rtol=1e-9, atol=1e-10)

    logits = scored(images, classes, judge.state_dict(), form, 2)
    assert torch.allclose(judge(images, classes), logits, rtol=1e-9, atol=1e-10)


def named_gradients(total: Tensor, parameters: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    """Return the gradient at each parameter."""
    found = torch.autograd.grad(total, [*parameters.values()])
    return dict(zip(parameters, found, strict=True))


def test_path_length_and_r1_move_every_weight_as_the_reference_does() -> None:
    few: dict[str, Any] = {"channel_base": 32, "channel_max": 4}
    made = shaken(Stylegan2Generator(w_size=5, **few).build(5, images_of(8))).eval()
    judge = shaken(Stylegan2Discriminator(minibatch_stddev=2, **few).build(images_of(8)))
    latent, real = torch.randn(2, 5).double(), torch.randn(2, 3, 8, 8).double()
    weights = dict(made.named_parameters())
    state: dict[str, Any] = weights | dict(made.named_buffers())
    spec = PathLength(at="w", share=1.0, decay=1.0, weight=2.0)

    shown = made(latent)
    torch.manual_seed(3)
    own: Any = spec.module(5, images_of(8)).double()
    ctx: Any = SimpleNamespace(made=shown, own=own, latent=latent)
    term = spec.generator_terms(ctx)["path_length"]
    gradients = named_gradients(term + F.softplus(-judge(shown["images"])).mean(), weights)

    styles = mapped(latent, None, state, "mapping", 2)[:, None].repeat(1, 4, 1)
    images = drawn(styles, state, "skip")
    torch.manual_seed(3)
    y = torch.randn_like(images) / 8
    (slope,) = torch.autograd.grad((images * y).sum(), styles, create_graph=True)
    lengths = slope.square().sum(2).mean(1).sqrt()
    penalty = 2 * (lengths - lengths.detach().mean()).square().mean()
    its_state = dict(judge.named_parameters())
    logits = scored(images, None, its_state, "residual", 1)
    wanted = named_gradients(penalty + torch.log1p((-logits).exp()).mean(), weights)
    assert torch.allclose(term, penalty, rtol=1e-9)
    assert torch.allclose(own.mean, lengths.mean(), rtol=1e-9)
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, wanted[name], rtol=1e-7, atol=1e-9), name

    pair = []
    for score in (judge, lambda x: scored(x, None, its_state, "residual", 1)):
        at = real.clone().requires_grad_()
        (slope,) = torch.autograd.grad(score(at).sum(), at, create_graph=True)
        total = slope.square().sum() + F.softplus(-score(real)).sum()
        # The last bias has no part in the slope, but in the logits.
        pair.append(named_gradients(total, its_state))
    for name, gradient in pair[0].items():
        assert torch.allclose(gradient, pair[1][name], rtol=1e-7, atol=1e-9), name


def test_a_layer_starts_with_unit_variance_whatever_the_style_and_without_noise() -> None:
    torch.manual_seed(0)
    layer = Layer(64, 64, 16, (32, 32), grows=True)
    layer.style.bias.data *= 5

    made = layer(torch.randn(8, 64, 16, 16), torch.randn(8, 16)).detach()

    again = layer(torch.randn(8, 64, 16, 16), torch.randn(8, 16)).detach()
    still = layer.eval()(torch.zeros(1, 64, 16, 16), torch.randn(1, 16))
    assert not still.any()
    # A number among zeros has a quarter of a full sum's variance, times the filter's gain of 4:
    # what the filter smooths is what is missing of 1.
    assert 0.3 < float(made.square().mean()) < 1.2
    assert float(again.square().mean()) == pytest.approx(float(made.square().mean()), rel=0.05)


def small(**fields: Any) -> Any:
    """Return a small generator, initial weights of seed 0, without noise."""
    torch.manual_seed(0)
    few: dict[str, Any] = {"channel_max": 4, "w_size": 6, "noise": "none"}
    return Stylegan2Generator(**few, **fields).build(5, images_of(16))


def test_truncation_pulls_styles_to_their_average_which_is_state() -> None:
    latent = torch.randn(64, 5)
    network = small(style_mixing=0.0)
    w = [network(latent)["w"][:, 0].mean(0) for _ in range(2)]
    average = 0.005 * w[1] + 0.995 * (0.005 * w[0])
    assert torch.allclose(network.state_dict()["average"], average, atol=1e-8)

    plain = network.eval()(latent)["w"]
    for fields, layers in (({}, 6), ({"truncated_layers": 2}, 2)):
        pulled = small(truncation=0.3, **fields)
        pulled.load_state_dict(network.state_dict())
        found = pulled.eval()(latent)["w"]
        wanted = average + 0.3 * (plain - average)
        assert torch.allclose(found[:, :layers], wanted[:, :layers], atol=1e-6)
        assert torch.equal(found[:, layers:], plain[:, layers:])


def test_styles_are_mixed_at_sampling_with_one_latent_and_in_training_by_chance() -> None:
    network, latent = small(mix_from=4, mix_with=7).eval(), torch.randn(9, 5)
    other = torch.randn(1, 5, generator=torch.Generator().manual_seed(7))

    found, plain = network(latent)["w"], small().eval()(latent)["w"]

    assert torch.equal(found[:, :4], plain[:, :4])
    wanted = small().eval()(other)["w"][:, 4:]
    assert torch.allclose(found[:, 4:], wanted.expand(9, -1, -1), atol=1e-6)
    assert network.state_dict().keys() == small().state_dict().keys()

    torch.manual_seed(1)
    own, many = small(style_mixing=0.9), torch.randn(4000, 5)
    differ = (own.train()(many)["w"] - own.eval()(many)["w"]).abs().amax(2) > 1e-6
    assert not differ[:, 0].any()
    assert bool((differ[:, 1:].int().diff(dim=1) >= 0).all())  # from a layer on
    share = differ.float().mean(0)
    wanted = 0.9 * torch.arange(6) / 5
    assert torch.allclose(share, wanted, atol=0.03)


def test_noise_is_new_in_training_and_fixed_or_none_at_sampling() -> None:
    latent = torch.randn(2, 5)
    first = small(style_mixing=0.0)
    assert torch.equal(first(latent)["images"], first.eval()(latent)["images"])  # strength 0
    for module in first.modules():
        if isinstance(module, Layer):
            module.strength.data.fill_(1.0)
    fixed = Stylegan2Generator(channel_max=4, w_size=6).build(5, images_of(16)).eval()
    fixed.load_state_dict(first.state_dict())

    without, still = first.eval()(latent)["images"], fixed(latent)["images"]

    new = first.train()(latent)["images"]
    assert torch.equal(still, fixed(latent)["images"])
    assert not torch.allclose(still, without)
    assert not torch.allclose(new, first(latent)["images"])


def test_maps_are_those_of_halving_the_image() -> None:
    for side, wanted in ((28, [7, 14, 28]), (48, [6, 12, 24, 48]), (8, [4, 8]), (6, [6])):
        made: Any = Stylegan2Generator(channel_max=4, w_size=4).build(4, images_of(side))
        judge = Stylegan2Discriminator(channel_max=4).build(images_of(side))
        found = made(torch.randn(2, 4))["images"]
        assert found.shape == (2, 3, side, side)
        assert [len(each.second.fixed_noise) for each in made.blocks] == wanted
        assert judge(found).shape == (2,)


@pytest.mark.parametrize(
    ("fields", "side", "told"),
    [
        ({}, 100, "100×100 images halve to 25×25, and the smallest map must be 4 to 8 pixels"),
        ({"mix_from": 8}, 32, "there is no layer 8; the styles are those of 8 layers, 0 to 7"),
        ({"labels": "mapping"}, 32, "needs images with classes"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], side: int, told: str) -> None:
    with pytest.raises(GanzooError, match=told):
        Stylegan2Generator(**fields).build(10, images_of(side))


def test_a_discriminator_refuses_sizes_and_labels_alike() -> None:
    with pytest.raises(GanzooError, match="images halve to 25×25"):
        Stylegan2Discriminator().build(images_of(100))
    with pytest.raises(GanzooError, match="needs images with classes"):
        Stylegan2Discriminator(labels="projection").build(images_of(32))
