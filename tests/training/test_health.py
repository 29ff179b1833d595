"""Trouble is named once, with what to change."""

import warnings

import pytest
import torch
from torch import nn

from ganzoo.common.errors import TrainingError
from ganzoo.training.health import Health, contrast, diversity


def health(told: list[str]) -> Health:
    return Health(0.5, told.append)


def test_a_term_that_is_not_finite_stops_the_run_by_name() -> None:
    with pytest.raises(TrainingError, match=r"'d/real' became nan at step 51.*lr"):
        health([]).watch_terms(51, {"d/fake": 1.0, "d/real": float("nan")})


def test_a_weight_that_is_not_finite_stops_the_run_by_name() -> None:
    network = nn.Linear(2, 2)
    network.weight.data[0, 0] = float("inf")

    with pytest.raises(TrainingError, match=r"generator weight 'weight'.*step 9"):
        health([]).watch_weights(9, {"generator": network})


def test_a_collapse_is_told_once_after_three_sheets() -> None:
    told: list[str] = []
    watch = health(told)
    alike = torch.zeros(9, 1, 4, 4) + torch.rand(1, 1, 4, 4)

    for step in range(0, 2000, 200):
        watch.watch_samples(step, alike)

    assert len(told) == 1
    assert told[0].startswith("step 1000: ")
    assert "collapsed" in told[0]
    assert [event["event"] for event in watch.events] == ["collapsed"]


def test_flat_samples_are_told_as_flat_and_not_as_a_collapse_too() -> None:
    told: list[str] = []
    watch = Health(0.5, told.append, real_contrast=0.6)
    grey = 0.001 * torch.randn(9, 1, 4, 4)

    for step in range(0, 2000, 200):
        watch.watch_samples(step, grey)

    assert [event["event"] for event in watch.events] == ["flat"]
    assert len(told) == 1
    assert "step.generator_noise" in told[0]
    assert "generator.order" in told[0]


def test_a_trouble_that_comes_back_is_not_told_again() -> None:
    told: list[str] = []
    watch = health(told)

    for accuracy in [1.0] * 10 + [0.5] + [1.0] * 10:
        watch.watch_accuracy(0, {"d/accuracy": accuracy})

    assert len(told) == 1


def test_a_crisp_image_repeated_is_a_collapse_and_not_flat() -> None:
    told: list[str] = []
    watch = Health(0.5, told.append, real_contrast=0.6)
    repeated = torch.randn(1, 1, 4, 4).expand(9, 1, 4, 4)

    for step in range(0, 2000, 200):
        watch.watch_samples(step, repeated)

    assert [event["event"] for event in watch.events] == ["collapsed"]
    assert "loss.use = 'wasserstein'" in told[0]


def test_contrast_is_the_spread_over_pixels() -> None:
    images = torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2).expand(3, 1, 1, 2)

    assert contrast(images) == pytest.approx(2**0.5)


def test_varied_samples_are_no_collapse() -> None:
    told: list[str] = []
    watch = health(told)
    for step in range(0, 3000, 300):
        watch.watch_samples(step, torch.rand(9, 1, 4, 4))

    assert told == []


def test_diversity_is_the_spread_over_samples() -> None:
    images = torch.stack([torch.full((1, 2, 2), -1.0), torch.full((1, 2, 2), 1.0)])

    assert diversity(images) == pytest.approx(2**0.5)


def test_a_discriminator_that_is_always_right_is_told_with_the_remedy() -> None:
    told: list[str] = []
    watch = health(told)
    for step in range(20):
        watch.watch_accuracy(step, {"d/accuracy": 1.0})

    assert len(told) == 1
    assert "optimizer.discriminator.lr" in told[0]
    assert "step.generator_noise = 'fresh'" in told[0]
    assert "discriminator.dropout" in told[0]


def test_a_loss_near_zero_is_enough_where_accuracy_is_not_known() -> None:
    watch = health([])
    for step in range(9):
        watch.watch_accuracy(step, {"d/loss": 0.001})
    assert watch.events == []

    watch.watch_accuracy(10, {"d/loss": 0.001})

    assert [event["event"] for event in watch.events] == ["discriminator_won"]


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"d/loss": -0.5},
        {"d/loss": 0.0, "d/accuracy": 0.6},
        pytest.param({"d/loss": -3.0, "d/accuracy": 1.0}, id="a Wasserstein critic"),
        pytest.param({"d/loss": 0.3, "d/accuracy": 1.0}, id="right, and still teaching"),
    ],
)
def test_a_critic_that_is_not_sure_has_not_won(terms: dict[str, float]) -> None:
    watch = health([])
    for step in range(20):
        watch.watch_accuracy(step, terms)

    assert watch.events == []


def test_a_batch_norm_that_tells_fakes_by_their_batch_has_its_own_name() -> None:
    told: list[str] = []
    watch = health(told)
    for step in range(20):
        watch.watch_accuracy(step, {"d/accuracy": 1.0, "d/loss": 0.002, "g/accuracy": 0.95})

    assert [event["event"] for event in watch.events] == ["told_by_the_batch"]
    assert "step.batching = 'separate'" in told[0]


def test_a_resumed_watch_remembers() -> None:
    watch = health([])
    watch.watch_samples(900, torch.zeros(4, 1, 2, 2))
    other = health([])
    other.restore(watch.state())

    assert other.state() == watch.state()
    assert other.alike == 1


def test_one_image_differs_from_no_other_and_torch_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert diversity(torch.rand(1, 3, 4, 4)) == 0.0
