"""What 'conv' says beside its logits, the spread its head sees, and codes in the latent."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from ganzoo.api import GanzooError, ImageShape
from ganzoo_dcgan.discriminators import Conv
from ganzoo_dcgan.generators import Transpose, Upsample
from ganzoo_dcgan.heads import MinibatchStddev

IMAGE = ImageShape(1, 16, 16, num_classes=4)


def said(fields: dict[str, Any]) -> tuple[Any, dict[str, Tensor], Tensor]:
    """Return a discriminator, what it says of five images, and their last maps."""
    torch.manual_seed(1)
    network = Conv.model_validate({"base_channels": 4, "dropout": 0.0, **fields}).build(IMAGE)
    images = torch.randn(5, 1, 16, 16)
    inputs = (
        (images, torch.tensor([0, 1, 2, 3, 0])) if fields.get("labels") == "maps" else (images,)
    )
    out = network(*inputs)
    return network, out, network.layers(images) if len(inputs) == 1 else out["features"]


def test_a_second_head_says_the_class_and_nobody_tells_it() -> None:
    spec = Conv(labels="classes")
    network, out, maps = said({"labels": "classes"})

    assert not spec.uses_labels
    assert set(out) == {"logits", "classes", "features"}
    head = network.beside.heads["classes"]
    torch.testing.assert_close(out["classes"], maps.flatten(1) @ head.weight.T + head.bias)
    torch.testing.assert_close(out["features"], maps.flatten(1))
    assert out["logits"].shape == (5,)


def test_its_first_weights_and_norm_are_those_of_linear_layers() -> None:
    network, _, _ = said({"labels": "classes", "norm": "spectral", "linear_init": "orthogonal"})

    head = network.beside.heads["classes"]
    start = head.parametrizations.weight.original
    torch.testing.assert_close(start @ start.T, torch.eye(4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("hidden", [0, 6])
def test_an_embedding_has_the_size_that_is_asked_for(hidden: int) -> None:
    _, out, _ = said({"embedding_size": 7, "embedding_hidden": hidden})

    assert out["embedding"].shape == (5, 7)


def test_labels_and_heads_go_together() -> None:
    _, out, _ = said({"labels": "maps", "shows_features": True})

    assert set(out) == {"logits", "features"}
    assert isinstance(Conv().build(IMAGE)(torch.zeros(2, 1, 16, 16)), Tensor)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValidationError, match="'embedding_hidden' needs 'embedding_size'"):
        Conv(embedding_hidden=3)
    with pytest.raises(GanzooError, match=r"discriminator\.labels: 'classes' needs images with"):
        Conv(labels="classes").build(ImageShape(1, 16, 16))


def test_the_spread_is_that_of_the_group_alone() -> None:
    maps = torch.randn(6, 3, 2, 2, dtype=torch.float64, requires_grad=True)

    found = MinibatchStddev(3)(maps)

    assert found.shape == (6, 4, 2, 2)
    torch.testing.assert_close(found[:, :3], maps)
    for group in (slice(0, 3), slice(3, 6)):
        apart = maps[group] - maps[group].mean(0)
        wanted = (apart.square().mean(0) + 1e-8).sqrt().mean()
        torch.testing.assert_close(found[group, 3], wanted.expand(3, 2, 2))
    assert torch.autograd.gradcheck(MinibatchStddev(3), maps)


@pytest.mark.parametrize(("count", "group"), [(6, 4), (5, 4), (1, 4), (2, 4)])
def test_a_batch_that_is_no_multiple_has_smaller_groups(count: int, group: int) -> None:
    maps = torch.zeros(count, 2, 1, 1, requires_grad=True)

    found = MinibatchStddev(group)(maps)
    found.sum().backward()

    assert found.shape == (count, 3, 1, 1)
    assert maps.grad is not None
    assert bool(torch.isfinite(maps.grad).all())


@pytest.mark.parametrize("head", ["linear", "convolution"])
def test_the_head_reads_one_map_more(head: Any) -> None:
    plain = Conv(base_channels=4, head=head).build(IMAGE)
    spread = Conv(base_channels=4, head=head, minibatch_stddev=4).build(IMAGE)

    numbers = [sum(p.numel() for p in network.parameters()) for network in (plain, spread)]
    assert numbers[1] - numbers[0] == 4 * 4  # a weight for each place of the last map
    images = torch.randn(4, 1, 16, 16)
    assert spread(images).shape == (4,)
    spread.eval()
    assert not torch.allclose(spread(images)[:1], spread(images[:1]))


# Codes


def test_every_value_of_a_code_is_made_as_often() -> None:
    z = torch.randn(6000, 9)

    latent = Transpose(codes=[3, 2]).latents(z)

    assert set(latent[:, :5].unique().tolist()) == {0.0, 1.0}
    assert latent[:, :3].sum(1).eq(1).all()
    assert latent[:, 3:5].sum(1).eq(1).all()
    torch.testing.assert_close(latent[:, :3].mean(0), torch.full((3,), 1 / 3), atol=0.03, rtol=0)
    assert torch.equal(latent[:, 5:], z[:, 5:])
    assert Transpose().latents(z) is z


def test_codes_are_chosen_at_sampling() -> None:
    z = torch.rand(4, 9)
    spec = Upsample(codes=[3, 2], code=[2, 0], continuous=[0.5, -1.0])

    latent = spec.latents(z)

    assert latent[:, :7].tolist() == [[0, 0, 1, 1, 0, 0.5, -1.0]] * 4
    assert torch.equal(latent[:, 7:], z[:, 7:])
    assert {"code", "continuous"} <= spec.at_sampling


def test_codes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValidationError, match="'code' names 1 values for 2 'codes'"):
        Transpose(codes=[3, 2], code=[1])
    with pytest.raises(ValidationError, match="'code' 3 is not one of the 3 from 0 to 2"):
        Transpose(codes=[3], code=[3])
    with pytest.raises(GanzooError, match="they take 11 numbers of the latent, which has 8"):
        Transpose(codes=[10], continuous=[0.0], scales=[2, 2]).build(8, IMAGE)


@pytest.mark.parametrize("labels", ["none", "projection"])
def test_looks_judge_the_image_at_half_the_size_of_the_one_before(labels: Any) -> None:
    network: Any = Conv(base_channels=4, dropout=0.0, looks=3, labels=labels).build(IMAGE)
    images, classes = torch.randn(5, 1, 16, 16), torch.tensor([0, 1, 2, 3, 0])
    given = (classes,) if labels == "projection" else ()
    halves = images.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))
    quarters = images.unfold(2, 4, 4).unfold(3, 4, 4).mean((4, 5))

    found = network(images, *given)

    wanted = sum(
        look(seen, *given)
        for look, seen in zip(network.looks, (images, halves, quarters), strict=True)
    )
    torch.testing.assert_close(found, wanted / 3)


def test_looks_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValidationError, match="'looks' above 1 has logits only"):
        Conv(looks=2, labels="classes")
    with pytest.raises(GanzooError, match=r"nothing is left of 2×2"):
        Conv(looks=4).build(IMAGE)
