"""What a GPU needs of every shipped recipe, shown without one.

On the meta device nothing is computed: a tensor that is made on the CPU, or a number that is read
back, is an error there as it would be on a GPU. A captured step is replayed by a stand-in. bf16 is
tried on the CPU, whose autocast casts the same operations.
"""

from __future__ import annotations

import importlib
import math
import random
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from every_recipe import META, put_together
from replayer import Replayer
from torch import Tensor

from ganzoo.plugin.specs import LossSpec
from ganzoo.recipe.source import shipped
from ganzoo.testing.devices import OneDevice, WrongDeviceError
from ganzoo.training import cuda_graph
from ganzoo.training.cuda_graph import GraphStep
from ganzoo.training.feed import Batch, Feed
from ganzoo.training.own_step import OwnStep
from ganzoo.training.parts import Parts
from ganzoo.training.step import AdversarialStep

QUICK = {"dcgan_mnist", "toy_ring_pacgan"}
"""Tried in every run of the suite; the others, some of them large, are slow tests."""
RECIPES = [
    pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in shipped()
]
REFUSED = dict.fromkeys(
    ("r3gan_cifar10", "r3gan_mnist", "r3gan_stacked_mnist"),
    "optimizer 'adam' moves more than its learning rate",
) | dict.fromkeys(("cyclegan_digits", "cyclegan_folders"), "depends on the number of the step")
"""Recipes that no graph can hold, and why; everything else is captured.

R3GAN's beta2 moves, and torch's one pass over all moments takes it as a number of the host. What
CycleGAN exchanges for fakes of before is drawn on the host, the same in every process.
"""
IN_PARTS = ("train.shards=2",)
ALSO = {"seed_upsample_mnist_program": ("step.generator_noise='same'",)}
"""What parts ask for beside it."""
DRAWING = {
    "acgan_mnist",
    "dcgan_digits",
    "dcgan_mnist",
    "dcgan_upsample_mnist",
    "fastgan_64",
    "lsgan_mnist",
    "photos_128",
    "photos_any",
    "photos_few_256",
    "photos_few_64",
    "pix2pix_edges",
    "seed_d2l_ab",
    "seed_d2l_ab_classic",
    "seed_deconstructing_mnist",
    "seed_flux_mnist",
    "seed_flux_mnist_literal",
    "seed_keras_mnist",
    "seed_keras_mnist_literal",
    "seed_upsample_mnist",
    "seed_upsample_mnist_corrected",
    "seed_upsample_mnist_program",
    "stylegan2_cifar10",
    "stylegan2_mnist",
    "wgan_gp_mnist",
    "wgan_gp_resnet_cifar10",
}
"""Recipes whose halves draw numbers on the device: dropout, noise, views, penalties between images.

In parts each part draws them again, and a graph cannot go back in its numbers.
"""
STEPS = 6
BF16 = 0.25
"""How far a term of a first step may be from its float32 value, of 1 plus that value."""


def on_the_host(parts: Parts) -> Feed:
    """Return the batches as they are in the memory of the CPU."""
    return Feed(parts.data, parts.shape, parts.recipe.train, torch.device("cpu"))


def moved(parts: Parts, number: int) -> Mapping[str, Tensor]:
    feed = on_the_host(parts)

    def batch(position: int) -> Batch:
        found = feed(position)
        return found.each(lambda each: each.to(META))

    with OneDevice():
        return parts.step(number, batch, observe=True)


@pytest.mark.parametrize("cut", ["whole", pytest.param("parts", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", RECIPES)
def test_a_step_makes_every_tensor_where_the_images_are(name: str, cut: str) -> None:
    overrides = (*IN_PARTS, *ALSO.get(name, ())) if cut == "parts" else ()
    parts = put_together(name, *overrides, device="meta", narrow=False)

    for number in range(2):
        terms = moved(parts, number)

    assert terms
    assert {value.device for value in terms.values()} == {META}
    for module in parts.networks.values():
        if parts.average is None or module is not parts.average.rest:
            assert {each.device for each in module.parameters()} <= {META}


class OnTheCpu(LossSpec):
    """Makes a tensor where torch makes it by default."""

    use = "on_the_cpu"

    def discriminator_terms(self, ctx):  # type: ignore[no-untyped-def]
        return {"real": (ctx.real_logits * torch.ones(len(ctx.real_logits))).mean()}

    def generator_terms(self, ctx):  # type: ignore[no-untyped-def]
        return {"fake": ctx.fake_logits.mean()}


class ReadBack(OnTheCpu):
    """Waits for the device to decide something."""

    use = "read_back"

    def discriminator_terms(self, ctx):  # type: ignore[no-untyped-def]
        mean = ctx.real_logits.mean()
        return {"real": mean if mean > 0 else -mean}


@pytest.mark.parametrize(
    ("loss", "error", "told"),
    [
        (OnTheCpu(), WrongDeviceError, rf"{Path(__file__).name}.*makes a tensor \[.*on the CPU"),
        (ReadBack(), (RuntimeError, NotImplementedError), "meta"),
    ],
)
def test_a_planted_fault_is_found(
    loss: LossSpec, error: type[Exception] | tuple[type[Exception], ...], told: str
) -> None:
    parts = put_together("dcgan_digits", device="meta")
    assert isinstance(parts.step, AdversarialStep)
    parts.step.recipe = parts.recipe.model_copy(update={"loss": loss})

    with pytest.raises(error, match=told):
        moved(parts, 0)


@pytest.mark.parametrize("name", RECIPES)
def test_a_replayed_run_is_the_run_itself(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = replayed(name, monkeypatch)

    assert REFUSED[name] in told[0] if name in REFUSED else not told


@pytest.mark.parametrize("name", RECIPES)
def test_a_replayed_run_in_parts_is_the_run_itself(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = (*IN_PARTS, *ALSO.get(name, ()))
    told = replayed(name, monkeypatch, *overrides, is_drawing=name in DRAWING)

    if name in REFUSED:
        assert REFUSED[name] in told[0]
    elif name in DRAWING:
        assert "each part of a batch draws the same random numbers" in told[0]
    else:
        assert not told


def replayed(
    name: str, monkeypatch: pytest.MonkeyPatch, *overrides: str, is_drawing: bool = False
) -> list[str]:
    """Hold a captured run against a plain one, step by step; return what was told of it."""
    # torch's generator on the CPU stands in for the device's, which a graph may draw from.
    monkeypatch.setattr(cuda_graph, "_host_random_state", random.getstate)
    # And the CPU for a device whose step counts an optimizer may keep there.
    rmsprop = importlib.import_module("torch.optim.rmsprop")
    monkeypatch.setattr(rmsprop, "_get_capturable_supported_devices", lambda *_, **__: ["cpu"])
    plain, captured = put_together(name, *overrides), put_together(name, *overrides)
    recorder, told = Replayer(), list[str]()
    assert isinstance(captured.step, AdversarialStep | OwnStep)
    step = GraphStep(captured.step, recorder, told.append)

    wanted = [plain.step(number, plain.feed, observe=True) for number in range(STEPS)]
    found = [step(number, captured.feed, observe=True) for number in range(STEPS)]

    assert bool(recorder.replayed) is not (name in REFUSED or is_drawing)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            torch.testing.assert_close(ours[key], value, rtol=1e-4, atol=1e-6)
    if "cyclegan" in name:
        return (
            told  # what a norm of each image cancels has gradients of rounding, and Adam moves it
        )
    # A graph has its rates in float32, and Adam enlarges what that rounds.
    near = 1e-4 if name == "pix2pix_edges" else 1e-5
    for key, module in plain.networks.items():
        mine = captured.networks[key].state_dict()
        for part, value in module.state_dict().items():
            torch.testing.assert_close(mine[part], value, rtol=1e-3, atol=near)
    return told


@pytest.mark.parametrize("name", RECIPES)
def test_bf16_stays_finite_and_near_float32(name: str) -> None:
    exact, rough = put_together(name), put_together(name, precision="bf16")

    first = exact.step(0, exact.feed)
    for number in range(3):
        terms = rough.step(number, rough.feed)
        assert all(bool(value.isfinite()) for value in terms.values())
        if number == 0:
            for key, value in first.items():
                distance = abs(float(terms[key]) - float(value)) / (1 + abs(float(value)))
                assert distance < BF16, (key, float(terms[key]), float(value))
    for module in rough.networks.values():
        for value in module.state_dict().values():
            assert not value.is_floating_point() or math.isfinite(float(value.abs().sum()))
            assert value.dtype != torch.bfloat16
