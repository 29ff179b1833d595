"""Class histograms: modes, KL, their floors, and the inception score."""

import numpy as np
import pytest
import scipy.stats
import torch
from bench import Given, hits, shown

from ganzoo.api import Seen
from ganzoo_metrics.classes import ClassHistogram, expected_kl, kl, shares
from ganzoo_metrics.inception import InceptionScore

GENERATOR = torch.Generator().manual_seed(0)


def histogram(
    drawn: torch.Tensor, classes: int, real: torch.Tensor | None = None
) -> dict[str, float]:
    """Score classes ``[N]`` that a faultless classifier saw."""
    nothing = torch.zeros(len(drawn), 1)
    against = "uniform" if real is None else "real"
    reference = Given(
        torch.zeros(classes if real is None else len(real), 1),
        probabilities=hits(torch.arange(classes) if real is None else real, classes),
        n_fake=len(drawn),
    )
    meter = ClassHistogram(against=against).meter(reference)
    for at in range(0, len(drawn), 500):
        part = slice(at, at + 500)
        meter.add(shown(nothing[part], hits(drawn[part], classes)))
    return dict(meter.result())


def perfect(classes: int, count: int) -> dict[str, float]:
    reference = Given(
        torch.zeros(1, 1), probabilities=hits(torch.tensor([0]), classes), n_fake=count
    )
    return dict(ClassHistogram(against="uniform").perfect(reference))


def test_kl_is_scipys_entropy() -> None:
    counts = np.array([5.0, 0.0, 12.0, 3.0])
    wanted = np.array([0.1, 0.2, 0.3, 0.4])

    assert kl(shares(counts), wanted) == pytest.approx(scipy.stats.entropy(counts, wanted))


def test_a_perfect_sampler_of_a_thousand_modes_finds_all_with_the_known_kl() -> None:
    drawn = torch.randint(1000, (26_000,), generator=GENERATOR)

    found = histogram(drawn, 1000)

    assert found["modes_1"] == 1000
    assert found["class_kl"] == pytest.approx(999 / 52_000, rel=0.1)  # (K - 1) / 2N = 0.0192
    floor = perfect(1000, 26_000)
    assert floor["modes_1"] == pytest.approx(1000, abs=1e-6)
    assert floor["modes_5"] > 999.9
    assert floor["class_kl"] == pytest.approx(0.0192, abs=0.0004)


def test_the_floor_of_few_samples_is_what_sampling_gives() -> None:
    found = [histogram(torch.randint(1000, (2500,), generator=GENERATOR), 1000) for _ in range(20)]
    floor = perfect(1000, 2500)

    # 1000 (1 - e^-2.5) = 918, as published protocols with 2,500 samples must find.
    assert floor["modes_1"] == pytest.approx(918, abs=1)
    for name, value in floor.items():
        drawn = [one[name] for one in found]
        assert np.mean(drawn) == pytest.approx(value, abs=4 * np.std(drawn) / 20**0.5)


def test_a_hundred_modes_are_a_hundred() -> None:
    drawn = 7 * torch.randint(100, (26_000,), generator=GENERATOR)

    found = histogram(drawn, 1000)

    assert found["modes_1"] == found["modes_5"] == 100
    assert found["class_kl"] == pytest.approx(np.log(10), abs=0.01)


def test_a_class_the_reals_never_show_keeps_the_kl_finite() -> None:
    found = histogram(torch.tensor([0, 1, 2]), 3, real=torch.tensor([0, 0, 1, 1]))

    assert np.isfinite(found["class_kl"])


def test_shares_of_the_reals_are_wanted_where_the_recipe_says_so() -> None:
    real = torch.tensor([0] * 30 + [1] * 10)

    assert histogram(torch.tensor([0, 0, 0, 1]), 2, real)["class_kl"] == pytest.approx(0)
    expected = kl(np.array([0.5, 0.5]), np.array([0.75, 0.25]))
    assert histogram(torch.tensor([0, 1]), 2, real)["class_kl"] == pytest.approx(expected)


def test_the_expected_kl_of_a_coin_is_the_sum_over_its_outcomes() -> None:
    q, n = np.array([0.3, 0.7]), 5
    expected = sum(
        scipy.stats.binom.pmf(x, n, 0.3) * scipy.stats.entropy([x / n, 1 - x / n], q)
        for x in range(n + 1)
    )

    assert expected_kl(q, n) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        (torch.eye(4).repeat(25, 1), 4.0),
        (torch.full((100, 4), 0.25), 1.0),
        (torch.tensor([[1.0, 0, 0, 0]]).repeat(100, 1), 1.0),
    ],
)
def test_the_inception_score_is_the_number_of_classes_at_best_and_one_at_worst(
    probabilities: torch.Tensor, expected: float
) -> None:
    meter = InceptionScore().meter(Given(torch.zeros(1, 1)))
    for part in torch.split(probabilities, 30):
        meter.add(Seen(torch.zeros(len(part), 1, 1, 1), torch.zeros(len(part), 1), part))

    assert meter.result()["inception_score"] == pytest.approx(expected)


def test_the_inception_score_is_the_papers_formula() -> None:
    probabilities = torch.rand(50, 6, generator=GENERATOR).softmax(1).double()
    marginal = probabilities.mean(0).numpy()
    expected = np.exp(np.mean([scipy.stats.entropy(p.numpy(), marginal) for p in probabilities]))
    meter = InceptionScore().meter(Given(torch.zeros(1, 1)))
    meter.add(Seen(torch.zeros(50, 1, 1, 1), torch.zeros(50, 1), probabilities))

    assert meter.result()["inception_score"] == pytest.approx(expected)
