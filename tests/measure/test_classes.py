"""Class histograms: modes, KL, their floors, and the inception score."""

import math

import numpy as np
import pytest
import scipy.special
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

    # One more of each: of 3, 3 and 1 in 7.
    assert found["class_kl"] == pytest.approx(sum(math.log(7 / n / 3) for n in (3, 3, 1)) / 3)


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


@pytest.mark.parametrize("classes", [20, 21, 200])
def test_the_expected_kl_of_unlike_shares_is_the_exact_sum_and_what_sampling_gives(
    classes: int,
) -> None:
    random = np.random.default_rng(classes)
    q, n = random.dirichlet(np.full(classes, 0.5)), 40

    exact = sum(
        math.comb(n, x) * share**x * (1 - share) ** (n - x) * x / n * math.log(x / (n * share))
        for share in q.tolist()
        for x in range(1, n + 1)
    )
    drawn = [kl(row / n, q) for row in random.multinomial(n, q, 20_000)]

    assert expected_kl(q, n) == pytest.approx(exact, rel=1e-10)
    assert np.mean(drawn) == pytest.approx(exact, abs=4 * np.std(drawn) / 20_000**0.5)


@pytest.mark.parametrize(("q", "n"), [(0.3, 10**7), (1e-6, 10**5), (0.999, 2), (0.5, 1000)])
def test_the_expected_kl_is_as_exact_for_many_samples_and_for_rare_classes(
    q: float, n: int
) -> None:
    found = expected_kl(np.array([q, 1 - q]), n)

    if n * min(q, 1 - q) > 100:
        expansion = 1 / (2 * n) + (1 / q + 1 / (1 - q) - 1) / (12 * n**2)
        assert found == pytest.approx(expansion, rel=1e-5)
    else:
        outcomes = np.arange(n + 1)
        chance = scipy.stats.binom.pmf(outcomes, n, q)
        share = outcomes / n
        both = scipy.special.rel_entr(share, q) + scipy.special.rel_entr(1 - share, 1 - q)
        assert found == pytest.approx(float((chance * both).sum()), rel=1e-9)


def test_the_expected_kl_of_a_single_class_is_none() -> None:
    assert expected_kl(np.array([1.0]), 50) == 0


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
