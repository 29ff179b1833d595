"""The faults of the seeds, as printed and corrected, and what the guards say of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from heard import Heard
from seed_parts import assembled, double_batch, listen, registry
from torch import Tensor, nn

from ganzoo.common.data_root import DataRoot
from ganzoo.common.errors import GanzooError
from ganzoo.training.health import Health
from ganzoo.training.loop import new_run, start
from ganzoo.training.parts import Parts
from ganzoo.training.state import Silent
from ganzoo.training.trial import try_out
from ganzoo_datasets.mnist import Mnist
from ganzoo_dcgan.generators import Transpose

CUT_OFF = (
    "the generator's term 'adversarial' reaches no generator parameter, so it trains nothing; "
    "step.generator_noise = 'detached' cuts it off: set it to 'shared'"
)


def vector(network: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(network.parameters()).detach().clone()


def movement(parts: Parts, steps: int) -> tuple[float, float]:
    """Return how far generator and discriminator move in that many steps."""
    networks = parts.generator.network, parts.discriminator.network
    before = [vector(network) for network in networks]
    for step in range(steps):
        parts.step(step, parts.feed)
    return tuple(  # type: ignore[return-value]
        float((vector(network) - old).norm()) for network, old in zip(networks, before, strict=True)
    )


NARROW = ["generator.base_channels=8", "discriminator.base_channels=8"]


def test_the_literal_flux_seed_moves_no_generator_weight_and_the_corrected_one_does() -> None:
    literal = movement(assembled("seed_flux_mnist_literal", *NARROW), 5)
    corrected = movement(assembled("seed_flux_mnist", *NARROW), 5)

    assert literal[0] == 0.0
    assert literal[1] > 0.01
    assert min(corrected) > 0.01


def test_the_literal_flux_seed_leaves_the_running_statistics_where_they_start() -> None:
    parts = assembled("seed_flux_mnist_literal", *NARROW)
    movement(parts, 2)

    means = [value for name, value in parts.generator.network.named_buffers() if "mean" in name]
    assert len(means) == 3
    assert all(bool((value == 0).all()) for value in means)


def test_the_guard_names_the_term_of_the_literal_flux_seed_and_lets_it_run() -> None:
    ear = Heard()

    try_out(assembled("seed_flux_mnist_literal", *NARROW), ear)

    assert ear.warnings == [CUT_OFF]


def test_without_its_leave_the_guard_stops_the_literal_flux_seed() -> None:
    parts = assembled("seed_flux_mnist_literal", *NARROW, "step.guards=error")

    with pytest.raises(GanzooError) as caught:
        try_out(parts, Heard())

    assert str(caught.value).startswith(CUT_OFF)
    assert "nothing was trained" in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "seed_flux_mnist",
        "seed_deconstructing_mnist",
        "seed_d2l_sprites",
        "seed_keras_mnist",
        "seed_keras_mnist_literal",
        "seed_upsample_mnist",
        "seed_upsample_mnist_program",
        "seed_d2l_ab",
        "seed_d2l_ab_classic",
    ],
)
def test_the_guards_have_nothing_to_say_of_the_other_seeds(name: str) -> None:
    ear = Heard()

    try_out(assembled(name, *NARROW), ear)

    assert ear.warnings == []


def test_the_adversarial_step_of_the_literal_keras_seed_unteaches_the_discriminator() -> None:
    """Right after it, fakes look more real than where only the generator has moved."""
    scores = {}
    for name in ("seed_keras_mnist", "seed_keras_mnist_literal"):
        still = "optimizer.discriminator.lr=1e-30"
        parts = assembled(name, *NARROW, still)
        heard = listen(parts.generator.network.double())
        before = vector(parts.discriminator.network.double())
        parts.step(0, partial(double_batch, parts))
        change = float((vector(parts.discriminator.network) - before).norm())
        assert (change > 1e-3) == name.endswith("literal")
        with torch.no_grad():
            fakes = parts.generator.network.eval()(heard.inputs[-1])
            scores[name] = parts.discriminator.network.eval()(fakes).mean().item()

    assert scores["seed_keras_mnist_literal"] > scores["seed_keras_mnist"]


def test_a_discriminator_that_is_trained_alone_may_win_and_its_generator_has_no_terms_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: list[int] = []
    monkeypatch.setattr(Health, "watch_accuracy", lambda _, step, __: watched.append(step))
    alone = ["step.generator_waits=2", "train.steps=4", "train.log_every=1"]
    parts = assembled("seed_keras_mnist", *NARROW, *alone)
    run = new_run(parts, tmp_path, "alone")

    start(parts, registry(), run, Silent())

    assert watched == [3, 4]
    assert ["g/loss" in line for line in run.read_log()] == [False, False, True, True]
    assert all(line["batch/d/loss"] == line["d/loss"] for line in run.read_log())


SHORT = 4
"""Images in the last batch of ten, in batches of six."""


@pytest.mark.parametrize(
    ("name", "fakes"),
    [
        ("seed_flux_mnist", SHORT),
        ("seed_flux_mnist_literal", 6),
        ("seed_deconstructing_mnist", 6),
        ("seed_d2l_sprites", SHORT),
    ],
)
def test_a_short_last_batch_meets_as_many_fakes_as_in_the_source(name: str, fakes: int) -> None:
    parts = assembled(name, *NARROW, count=10)
    heard = listen(parts.generator.network.double())
    parts.discriminator.network.double()

    parts.step(1, partial(double_batch, parts))

    assert len(parts.feed(1).images) == SHORT
    assert {len(latent) for latent in heard.inputs} == {fakes}


def test_a_relativistic_loss_refuses_96_real_images_against_128_fakes() -> None:
    parts = assembled("seed_flux_mnist_literal", *NARROW, "loss.use=relativistic", count=10)

    with pytest.raises(GanzooError, match="4 real and 6 fake images cannot be paired"):
        parts.step(1, parts.feed)


def test_shared_fakes_in_eval_mode_are_refused_before_anything_runs() -> None:
    with pytest.raises(GanzooError, match="fakes_for_discriminator = 'eval' cannot be combined"):
        assembled("seed_flux_mnist", "step.fakes_for_discriminator=eval")


def test_more_fakes_than_labels_are_refused_where_labels_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Transpose, "uses_labels", True)

    with pytest.raises(GanzooError, match=r"step\.fakes = 'full' makes fakes without a label"):
        assembled("seed_flux_mnist_literal")


def test_upright_digits_are_fed_upright(real_data: Path) -> None:
    """MLDatasets hands out width before height; here a one is taller than wide."""
    data = Mnist().build(DataRoot(real_data, download=False))

    assert data.labels is not None
    assert isinstance(data.images, Tensor)
    ones = data.images[data.labels == 1].double().mean((0, 1))
    rows, columns = ones.sum(1), ones.sum(0)
    at = torch.arange(28.0, dtype=torch.double)
    spread = [
        float(((at - (share * at).sum()).square() * share).sum().sqrt())
        for share in (rows / rows.sum(), columns / columns.sum())
    ]
    assert spread[0] > 1.4 * spread[1]
