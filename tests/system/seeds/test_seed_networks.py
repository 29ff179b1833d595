"""Sizes, initial weights, optimizers, data order and file names of the seeds' recipes."""

from __future__ import annotations

import math

import pytest
import torch
from seed_parts import SEEDS, assembled, image_shape, seed
from torch import nn

from ganzoo.recipe.model import differences
from ganzoo.training.feed import Order
from ganzoo_datasets.sprites import Sprites


@pytest.mark.parametrize(
    ("name", "generator", "discriminator"),
    [
        ("seed_flux_mnist", 2_231_168, 138_561),
        ("seed_flux_mnist_literal", 2_231_168, 138_561),
        ("seed_deconstructing_mnist", 4_752_705, 138_561),
        ("seed_d2l_sprites", 3_576_704, 2_765_696),
        ("seed_keras_mnist", 2_368_705, 4_311_553),
        ("seed_keras_mnist_literal", 2_368_705, 4_311_553),
        ("seed_upsample_mnist_program", 1_049_985, 98_113),
        ("seed_d2l_ab", 2_782_851, 1_576_769),
        ("seed_d2l_ab_classic", 2_782_851, 1_576_769),
    ],
)
def test_a_seed_has_the_parameters_its_source_has(
    name: str, generator: int, discriminator: int
) -> None:
    found = assembled(name).facts()["parameters"]

    assert found == {"generator": generator, "discriminator": discriminator}


def test_keras_counts_2_394_241_with_the_running_statistics() -> None:
    network = assembled("seed_keras_mnist").generator.network

    statistics = [buffer for buffer in network.buffers() if buffer.dim()]

    assert sum(value.numel() for value in [*network.parameters(), *statistics]) == 2_394_241


@pytest.mark.parametrize("name", SEEDS)
def test_three_latents_become_three_images_and_three_logits(name: str) -> None:
    parts = assembled(name)

    images = parts.generator.network(torch.randn(3, parts.recipe.latent.size))
    logits = parts.discriminator.network(images)

    assert images.shape == (3, *image_shape(name))
    assert logits.shape == (3,)


NORMAL, GLOROT = "N(0, 0.02)", "Glorot uniform"

FIRST_WEIGHTS = {
    "seed_flux_mnist": (NORMAL, GLOROT),
    "seed_deconstructing_mnist": (GLOROT, GLOROT),
    "seed_d2l_sprites": (NORMAL, NORMAL),
    "seed_keras_mnist": (GLOROT, GLOROT),
    "seed_upsample_mnist": (NORMAL, NORMAL),
    "seed_d2l_ab": (NORMAL, NORMAL),
}
"""Of convolutions and of linear layers."""


def first_weights_differ(network: nn.Module, convolution: str, linear: str) -> list[str]:
    """Return which layers do not start as the source says."""
    found = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            how = linear if isinstance(module, nn.Linear) else convolution
            weight = module.weight.detach()
            # Fan in + fan out: (in + out) channels times the kernel's area.
            fans = sum(weight.shape[:2]) * math.prod(weight.shape[2:])
            limit = math.sqrt(6 / fans)
            std = 0.02 if how == NORMAL else limit / math.sqrt(3)
            slack = 4 / math.sqrt(weight.numel())
            agrees = abs(weight.std().item() / std - 1) < slack
            agrees &= abs(weight.mean().item()) < slack * std
            # A uniform draw comes close to its limit, √3 deviations, and never passes it.
            highest = weight.abs().max().item() / std
            agrees &= highest > 2 if how == NORMAL else 1.6 < highest <= math.sqrt(3) * (1 + 1e-6)
            if module.bias is not None:
                agrees &= bool((module.bias == 0).all())
            if not agrees:
                found.append(name)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and not (
            bool((module.weight == 1).all()) and bool((module.bias == 0).all())
        ):
            found.append(name)
    return found


@pytest.mark.parametrize("name", FIRST_WEIGHTS)
def test_first_weights_are_drawn_as_the_source_says(name: str) -> None:
    parts = assembled(name)

    for side in (parts.generator, parts.discriminator):
        assert first_weights_differ(side.network, *FIRST_WEIGHTS[name]) == []


@pytest.mark.parametrize("name", ["seed_flux_mnist", "seed_keras_mnist", "seed_d2l_sprites"])
def test_pytorchs_own_first_weights_would_be_noticed(name: str) -> None:
    wrong = ["generator.init=torch", "discriminator.init=torch"]
    parts = assembled(name, *wrong)

    for side in (parts.generator, parts.discriminator):
        assert first_weights_differ(side.network, *FIRST_WEIGHTS[name])


ADAM_EPS = 1e-8


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("seed_flux_mnist", {"lr": 2e-4, "betas": (0.9, 0.999), "eps": ADAM_EPS}),
        ("seed_deconstructing_mnist", {"lr": 2e-4, "betas": (0.9, 0.999), "eps": ADAM_EPS}),
        ("seed_d2l_sprites", {"lr": 5e-3, "betas": (0.5, 0.999), "eps": ADAM_EPS}),
        ("seed_upsample_mnist", {"lr": 2e-4, "betas": (0.5, 0.999), "eps": ADAM_EPS}),
        ("seed_upsample_mnist_program", {"lr": 2e-4, "betas": (0.5, 0.999), "eps": ADAM_EPS}),
        ("seed_d2l_ab", {"lr": 2e-4, "betas": (0.0, 0.99), "eps": ADAM_EPS}),
    ],
)
def test_adam_has_the_sources_rates_for_both_networks(name: str, wanted: dict[str, object]) -> None:
    parts = assembled(name)

    for side in (parts.generator, parts.discriminator):
        (group,) = side.optimizer.param_groups
        assert isinstance(side.optimizer, torch.optim.Adam)
        assert {key: group[key] for key in wanted} == wanted
        assert group["weight_decay"] == 0
        assert (side.spec.clip_value, side.spec.clip_norm) == (None, None)
        assert side.spec.schedule == "constant"


def test_rmsprop_has_keras_numbers_a_rate_and_a_decay_for_each_network() -> None:
    parts = assembled("seed_keras_mnist")

    for side, lr, decay in (
        (parts.generator, 4e-4, 3e-8),
        (parts.discriminator, 8e-4, 6e-8),
    ):
        (group,) = side.optimizer.param_groups
        assert isinstance(side.optimizer, torch.optim.RMSprop)
        assert (group["lr"], group["alpha"], group["eps"]) == (lr, 0.9, 1e-8)
        assert (group["momentum"], group["centered"], group["weight_decay"]) == (0, False, 0)
        assert (side.spec.schedule, side.spec.decay) == ("inverse_time", decay)
        assert side.spec.clip_value == 1.0


def test_the_sprites_are_those_of_the_book() -> None:
    assert "http://data.mxnet.io/data/pokemon.zip" in Sprites.urls
    assert Sprites.sha1 == "c065c0e2593b8b161a2d7873e42418bf6a21106c"


MNIST_IMAGES, SPRITES = 60_000, 40_597


@pytest.mark.parametrize(
    ("name", "images", "epoch", "steps", "last"),
    [
        ("seed_flux_mnist", MNIST_IMAGES, 469, 11_725, 96),
        ("seed_deconstructing_mnist", MNIST_IMAGES, 469, 9_380, 96),
        ("seed_d2l_sprites", SPRITES, 159, 6_360, 149),
        ("seed_upsample_mnist", MNIST_IMAGES, 469, 11_725, 96),
        ("seed_upsample_mnist_program", MNIST_IMAGES, 469, 93_800, 96),
    ],
)
def test_an_epoch_has_the_sources_batches(
    name: str, images: int, epoch: int, steps: int, last: int
) -> None:
    train = seed(name).train
    order = Order(train, images)

    assert order.batches_per_epoch == epoch
    assert order.batches_of(train.epochs or 0) == steps
    assert len(order.indices(epoch - 1)) == last


def test_001_partitions_the_data_once_and_000_shuffles_it_each_epoch() -> None:
    stored = Order(seed("seed_deconstructing_mnist").train, MNIST_IMAGES)
    shuffled = Order(seed("seed_flux_mnist").train, MNIST_IMAGES)

    assert stored.indices(1).tolist() == list(range(128, 256))
    assert torch.equal(stored.indices(1), stored.indices(470))
    assert not torch.equal(shuffled.indices(1), shuffled.indices(470))
    assert torch.cat([shuffled.indices(n) for n in range(469)]).unique().numel() == MNIST_IMAGES


def test_003_draws_with_replacement_and_counts_steps() -> None:
    train = seed("seed_keras_mnist").train
    order = Order(train, MNIST_IMAGES)

    drawn = torch.cat([order.indices(n) for n in range(235)])

    assert train.epochs is None
    assert train.steps == 10_000
    # One pass' worth of draws leaves 1/e of the images out.
    assert 1 - drawn.unique().numel() / MNIST_IMAGES == pytest.approx(math.exp(-1), abs=0.01)


def test_latents_are_normal_but_uniform_for_003() -> None:
    parts = assembled("seed_keras_mnist")
    uniform = parts.noise.latents(parts.recipe.latent, 1000, "test")
    parts = assembled("seed_deconstructing_mnist")
    normal = parts.noise.latents(parts.recipe.latent, 1000, "test")

    assert uniform.shape == (1000, 100)
    assert (uniform.min().item(), uniform.max().item()) == pytest.approx((-1, 1), abs=1e-3)
    assert uniform.std().item() == pytest.approx(1 / math.sqrt(3), rel=0.01)
    assert normal.shape == (1000, 300)
    assert normal.std().item() == pytest.approx(1, rel=0.01)
    assert normal.abs().max().item() > 3


@pytest.mark.parametrize(
    ("name", "low", "output"),
    [("seed_keras_mnist", 0, (0, 1)), ("seed_flux_mnist", -1, (-1, 1))],
)
def test_data_and_generator_live_in_the_same_range(
    name: str, low: float, output: tuple[float, float]
) -> None:
    parts = assembled(name)

    assert parts.feed(0).images.min().item() == pytest.approx(low, abs=0.01)
    assert parts.feed(0).images.max().item() == pytest.approx(1, abs=0.01)
    assert parts.recipe.generator.output_range() == output


@pytest.mark.parametrize(
    ("name", "rows", "columns", "noise"),
    [
        ("seed_flux_mnist", 5, 5, "fixed"),
        ("seed_deconstructing_mnist", 6, 6, "fixed"),
        ("seed_d2l_sprites", 3, 7, "fresh"),
        ("seed_keras_mnist", 4, 4, "fixed"),
    ],
)
def test_sheets_are_laid_out_as_in_the_source(
    name: str, rows: int, columns: int, noise: str
) -> None:
    samples = seed(name).samples

    assert (samples.rows, samples.columns, samples.noise) == (rows, columns, noise)
    assert samples.mode == "eval"


@pytest.mark.parametrize(
    ("name", "steps", "files", "last"),
    [
        ("seed_flux_mnist", 11_725, 13, "dcgan_steps_011725.png"),
        ("seed_flux_mnist_literal", 11_725, 13, "dcgan_steps_011725.png"),
        ("seed_deconstructing_mnist", 9_380, 11, "dcgan_steps_009380.png"),
        ("seed_keras_mnist", 10_000, 20, "mnist_10000.png"),
        ("seed_upsample_mnist_program", 93_800, 1_877, "93800.png"),
    ],
)
def test_sheets_bear_the_sources_file_names(name: str, steps: int, files: int, last: str) -> None:
    recipe = seed(name)
    samples, first = recipe.samples, recipe.train.count_from

    periodic = [n for n in range(first, steps + first) if n % samples.every == 0]
    numbers = dict.fromkeys([*[0] * samples.at_start, *periodic, steps])
    names = [f"{samples.name.format(step=n)}.png" for n in numbers]

    assert len(names) == files
    assert names[-1] == last


def test_the_saturating_game_of_004_is_one_key_away() -> None:
    minimax = seed("seed_upsample_mnist", "loss.generator_objective=saturating")

    assert seed("seed_upsample_mnist").loss.model_dump()["generator_objective"] == "non_saturating"
    assert minimax.loss.model_dump()["generator_objective"] == "saturating"


def test_the_two_arms_of_the_successor_differ_in_their_losses_only() -> None:
    changed = differences(seed("seed_d2l_ab"), seed("seed_d2l_ab_classic"))

    assert {key.split(".")[0] for key, *_ in map(tuple, changed)} == {"loss", "regularizer"}
