"""What ganzoo is compared with: the same networks in the layers of ordinary ports."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.recipes import with_plain_layers
from ganzoo.api import ImageShape
from ganzoo.plugin.registry import load_plugins

REGISTRY = load_plugins(block={"*"})
IMAGE = ImageShape(3, 32, 32)
RESNET = {"channels": [12, 10, 8, 6]}
NETWORKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "sngan": ("generator", "resnet", RESNET),
    "biggan": (
        "generator",
        "resnet",
        RESNET | {"spectral": True, "attention": [16], "interpolation": "nearest"},
    ),
    "biggan_deep": ("generator", "resnet", RESNET | {"block": "deep"}),
    "judges_sngan": ("discriminator", "resnet", RESNET | {"norm": "none"}),
    "judges_deep": (
        "discriminator",
        "resnet",
        RESNET | {"norm": "none", "block": "deep", "shortcut": "convolution"},
    ),
    "stylegan2": (
        "generator",
        "stylegan2",
        {"channel_base": 256, "channel_max": 16, "w_size": 16},
    ),
    "judges_stylegan2": (
        "discriminator",
        "stylegan2",
        {"channel_base": 256, "channel_max": 16},
    ),
    "fastgan": ("generator", "fastgan", {"base_channels": 8}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_plain_parts_compute_the_same_and_are_other_layers(name: str) -> None:
    kind, use, fields = NETWORKS[name]
    spec: Any = REGISTRY.specs(kind)[use](**fields)
    torch.manual_seed(0)
    makes = kind == "generator"
    network = (spec.build(16, IMAGE) if makes else spec.build(IMAGE)).double().eval()
    plain = with_plain_layers(copy.deepcopy(network))
    given = torch.randn((4, 16) if makes else (4, 3, 32, 32), dtype=torch.float64)

    own, other = (everything(each, given) for each in (network, plain))

    assert any("forward" in vars(each) for each in plain.modules())
    for one, two in zip(own, other, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-8, atol=1e-9)
    assert not torch.equal(own[0], other[0])


def everything(network: nn.Module, given: Tensor) -> list[Tensor]:
    """Return what a network makes, its gradients, and the gradients of the first of them."""
    given = given.clone().requires_grad_()
    made = first(network(given))
    weights = [each for each in network.parameters() if each.requires_grad]
    # A cubic sum, so that second derivatives reach the inputs and the weights.
    slopes = torch.autograd.grad(
        (made**3).mean(), [given, *weights], create_graph=True, materialize_grads=True,
        allow_unused=True,
    )  # fmt: skip
    bends = torch.autograd.grad(
        slopes[0].square().sum(), weights, materialize_grads=True, allow_unused=True
    )
    return [made, *slopes, *bends]


def first(found: Tensor | dict[str, Tensor]) -> Tensor:
    """Return the images or logits of what a network returns."""
    if isinstance(found, Tensor):
        return found
    return next(iter(found.values()))
