"""Precision, recall, density, coverage, diversity, memorisation and the discriminator's gap."""

import pytest
import torch
from bench import Given, score
from torch import Tensor

from ganzoo_metrics.diversity import Diversity
from ganzoo_metrics.gap import DiscriminatorGap
from ganzoo_metrics.memorisation import Memorisation
from ganzoo_metrics.neighbourhoods import Neighbourhoods, prdc, radii

GENERATOR = torch.Generator().manual_seed(0)


def plain(real: Tensor, fake: Tensor, k: int) -> dict[str, float]:
    """The four scores as the papers write them, one pair at a time."""

    def radius(points: Tensor, i: int) -> float:
        others = sorted(float((points[i] - p).norm()) for j, p in enumerate(points) if j != i)
        return others[k - 1]

    in_real = [[float((r - f).norm()) <= radius(real, i) for f in fake] for i, r in enumerate(real)]
    in_fake = [[float((r - f).norm()) <= radius(fake, j) for j, f in enumerate(fake)] for r in real]
    return {
        "precision": sum(any(row[j] for row in in_real) for j in range(len(fake))) / len(fake),
        "recall": sum(any(row) for row in in_fake) / len(real),
        "density": sum(map(sum, in_real)) / (k * len(fake)),
        "coverage": sum(any(row) for row in in_real) / len(real),
    }


def test_the_four_scores_are_the_papers() -> None:
    real, fake = torch.randn(2, 23, 3, generator=GENERATOR, dtype=torch.float64)

    assert prdc(real, fake[:19] + 0.5, 3) == pytest.approx(plain(real, fake[:19] + 0.5, 3))


def test_a_ball_reaches_the_kth_other_point() -> None:
    line = torch.tensor([[0.0], [1.0], [3.0], [7.0]])

    assert radii(line, 1).tolist() == [1, 1, 2, 4]
    assert radii(line, 2).tolist() == [3, 2, 3, 6]


def test_copies_of_the_reals_are_precise_and_complete() -> None:
    real = torch.randn(300, 8, generator=GENERATOR)

    found = score(Neighbourhoods(), Given(real), real.clone())

    assert found["precision"] == found["recall"] == found["coverage"] == 1


def test_noise_far_away_is_neither_precise_nor_complete() -> None:
    real = torch.randn(300, 8, generator=GENERATOR)
    noise = 10 + torch.randn(300, 8, generator=GENERATOR)

    assert set(score(Neighbourhoods(), Given(real), noise).values()) == {0.0}


def test_one_image_again_and_again_is_precise_but_not_complete() -> None:
    real = torch.randn(300, 8, generator=GENERATOR)

    found = score(Neighbourhoods(), Given(real), real[:1].repeat(300, 1))

    assert found["precision"] == 1
    assert found["coverage"] < 0.1
    assert found["recall"] < 0.1


def test_new_samples_of_the_same_distribution_score_like_the_floor() -> None:
    real, fake = torch.randn(2, 1000, 8, generator=GENERATOR)

    found = score(Neighbourhoods(), Given(real), fake)

    assert found["density"] == pytest.approx(1, abs=0.1)
    # Naeem et al. 2020, section 3.3: 1 - 2⁻ᵏ in the limit.
    assert found["coverage"] == pytest.approx(1 - 2**-5, abs=0.03)


def test_at_most_the_first_count_features_are_kept() -> None:
    real, fake = torch.randn(2, 200, 4, generator=GENERATOR)
    spec = Neighbourhoods(count=50)

    assert score(spec, Given(real), fake) == score(spec, Given(real[:50]), fake[:50])


def test_diversity_is_the_ratio_of_mean_distances() -> None:
    real = torch.randn(400, 5, generator=GENERATOR)

    assert score(Diversity(), Given(real), 3 * real)["diversity"] == pytest.approx(3, rel=1e-6)
    assert score(Diversity(), Given(real), real[:1].repeat(400, 1))["diversity"] == 0


def test_copies_are_memorised_noise_is_not_and_new_images_are_as_often_as_expected() -> None:
    train, unseen, new = torch.randn(3, 2000, 3, generator=GENERATOR)
    reference = Given(train, unseen=unseen)
    spec = Memorisation(quantile=0.05, count=2000)

    assert score(spec, reference, train.clone())["memorised"] == 1
    assert score(spec, reference, 50 + new)["memorised"] == 0
    assert score(spec, reference, new)["memorised"] == pytest.approx(0.05, abs=0.02)
    assert spec.perfect(reference) == {"memorised": 0.05}


def test_the_gap_is_counted_in_standard_deviations() -> None:
    known = torch.randn(1000, 1, generator=GENERATOR)

    overfit = Given(known, unseen=known - 2)
    fair = Given(known, unseen=known)

    expected = 2 / float(known.std())
    assert score(DiscriminatorGap(), overfit, known)["discriminator_gap"] == pytest.approx(expected)
    assert score(DiscriminatorGap(), fair, known)["discriminator_gap"] == pytest.approx(0, abs=1e-9)
