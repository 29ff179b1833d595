"""R3GAN's networks: parameter counts of its presets, values written out, initial weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.api import GanzooError, ImageShape
from ganzoo_r3gan.networks import enlarged, reduced
from ganzoo_r3gan.specs import R3ganDiscriminator, R3ganGenerator

COUNTS = {
    # name: side, classes, fields, count of the generator and of the discriminator
    "CIFAR-10": (32, 0, {}, 20_732_160, 20_683_776),
    "CIFAR-10 with classes": (32, 10, {}, 20_781_952, 21_280_512),
    "FFHQ 64": (64, 0, {"channels": [768] * 4 + [384]}, 22_429_824, 22_381_440),
    "FFHQ 256": (256, 0, {"channels": [768] * 4 + [384, 192, 96]}, 23_057_952, 23_009_568),
    "ImageNet 32": (
        32, 1000, {"channels": [1536] * 4, "group_size": 32}, 82_914_304, 86_548_992,
    ),
    "half": (32, 0, {"channels": [384] * 4}, 5_647_488, 5_623_296),
    "quarter": (32, 0, {"channels": [192] * 4}, 1_644_096, 1_632_000),
    "eighth": (32, 0, {"channels": [96] * 4}, 527_136, 521_088),
}  # fmt: skip


def images_of(side: int, classes: int = 0) -> ImageShape:
    """Return the shape of square colour images."""
    return ImageShape(channels=3, height=side, width=side, num_classes=classes)


@pytest.mark.parametrize("name", COUNTS)
def test_a_preset_has_its_number_of_parameters(name: str) -> None:
    side, classes, fields, its_count, its_other = COUNTS[name]
    mirrored = {**fields, "channels": list(reversed(fields.get("channels", [768] * 4)))}
    told = bool(classes)
    with torch.device("meta"):  # shapes without memory
        made = R3ganGenerator(labels="embedding" if told else "none", **fields).build(
            64, images_of(side, classes)
        )
        judge = R3ganDiscriminator(labels="projection" if told else "none", **mirrored).build(
            images_of(side, classes)
        )

    assert sum(each.numel() for each in made.parameters()) == its_count
    assert sum(each.numel() for each in judge.parameters()) == its_other


def test_interpolation_is_the_filter_1_2_1_in_both_directions() -> None:
    maps = torch.randn(2, 3, 4, 6).double()
    line = torch.tensor([1.0, 2.0, 1.0]).double()
    kernel = (torch.outer(line, line) / 16).expand(3, 1, 3, 3)

    up = F.conv_transpose2d(maps, 4 * kernel, stride=2, padding=1, output_padding=1, groups=3)
    down = F.conv2d(maps, kernel, stride=2, padding=1, groups=3)

    assert torch.allclose(enlarged(maps), up, rtol=1e-12, atol=1e-14)
    assert torch.allclose(reduced(maps), down, rtol=1e-12, atol=1e-14)


def shaken(network: nn.Module) -> nn.Module:
    """Return the network in float64 with every weight moved, so that no zero hides a term."""
    torch.manual_seed(1)
    for parameter in network.double().parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return network


def block(maps: Tensor, state: dict[str, Tensor], at: str, group_size: int) -> Tensor:
    """A residual block, its grouped convolution group by group."""
    inner = torch.einsum("oi,nihw->nohw", state[f"{at}.widen.weight"][:, :, 0, 0], maps)
    inner = inner + state[f"{at}.bias1.bias"][:, None, None]
    inner = torch.where(inner > 0, inner, 0.2 * inner)
    groups = [
        F.conv2d(part, weight, padding=1)
        for part, weight in zip(
            inner.split(group_size, 1), state[f"{at}.mix.weight"].split(group_size), strict=True
        )
    ]
    inner = torch.cat(groups, 1) + state[f"{at}.bias2.bias"][:, None, None]
    inner = torch.where(inner > 0, inner, 0.2 * inner)
    return maps + torch.einsum("oi,nihw->nohw", state[f"{at}.narrow.weight"][:, :, 0, 0], inner)


@pytest.mark.parametrize("labels", [False, True])
def test_both_networks_compute_what_their_equations_say(labels: bool) -> None:
    fields: dict[str, Any] = {"blocks": 2, "group_size": 4}
    made = shaken(
        R3ganGenerator(
            channels=[8, 8, 4], labels="embedding" if labels else "none", embedding_size=3, **fields
        ).build(5, images_of(8, 3))
    )
    judge = shaken(
        R3ganDiscriminator(
            channels=[4, 8, 8], labels="projection" if labels else "none", **fields
        ).build(images_of(8, 3))
    )
    latent, classes = torch.randn(4, 5).double(), torch.tensor([0, 2, 1, 1])

    state = made.state_dict()
    seen = latent
    if labels:
        seen = torch.cat([latent, state["embedding.weight"].T[classes]], 1)
    maps = torch.einsum("nz,cz,chw->nchw", seen, state["scales.weight"], state["basis"])
    for stage in range(3):
        if stage == 2:
            weight = state["transitions.1.weight"][:, :, 0, 0]
            maps = torch.einsum("oi,nihw->nohw", weight, maps)
        if stage:
            maps = enlarged(maps)
        for number in range(2):
            maps = block(maps, state, f"stages.{stage}.{number}", 4)
    images = torch.einsum("oi,nihw->nohw", state["to_image.weight"][:, :, 0, 0], maps)
    found = made(latent, classes) if labels else made(latent)
    assert torch.allclose(found, images, rtol=1e-10, atol=1e-10)

    state = judge.state_dict()
    maps = torch.einsum("oi,nihw->nohw", state["from_image.weight"][:, :, 0, 0], images)
    for stage in range(3):
        if stage:
            maps = reduced(maps)
        if stage == 1:
            weight = state["transitions.0.weight"][:, :, 0, 0]
            maps = torch.einsum("oi,nihw->nohw", weight, maps)
        for number in range(2):
            maps = block(maps, state, f"stages.{stage}.{number}", 4)
    scores = torch.einsum("nchw,chw->nc", maps, state["basis"]) @ state["head.weight"].T
    if labels:
        scores = scores * state["embedding.weight"].T[classes]
    found = judge(images, classes) if labels else judge(images)
    assert torch.allclose(found, scores.sum(1), rtol=1e-10, atol=1e-10)


def test_a_block_starts_as_nothing_and_its_layers_keep_the_mean_square() -> None:
    torch.manual_seed(0)
    spec = R3ganGenerator(channels=[64, 64], blocks=8)
    network = spec.build(64, images_of(16))
    maps = torch.randn(16, 64, 8, 8)
    first = network.stages[0][0]

    assert torch.equal(first(maps), maps)
    inner = first.mix(first.bias1(first.widen(maps))).detach()
    inner = inner[:, :, 1:-1, 1:-1]  # at the edge, the zeros around a map make it smaller
    # Two layers of √(2 / 1.04) · L^(-1/4) each, of which leaky ReLU between them takes one gain.
    wanted = (2 / 1.04) * 16 ** -(4 / 4)
    assert float(inner.square().mean()) == pytest.approx(wanted, rel=0.1)


@pytest.mark.parametrize(
    ("fields", "side", "told"),
    [
        ({}, 28, "28×28 images are no multiple of 8"),
        ({"channels": [10, 10]}, 32, "10 channels times expansion 2 are no multiple of 16"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], side: int, told: str) -> None:
    with pytest.raises(GanzooError, match=told):
        R3ganGenerator(**fields).build(10, images_of(side))
    with pytest.raises(GanzooError, match=told):
        R3ganDiscriminator(**fields).build(images_of(side))


def test_labels_need_classes() -> None:
    with pytest.raises(GanzooError, match="needs images with classes"):
        R3ganGenerator(labels="embedding").build(10, images_of(32))
    with pytest.raises(GanzooError, match="needs images with classes"):
        R3ganDiscriminator(labels="projection").build(images_of(32))
