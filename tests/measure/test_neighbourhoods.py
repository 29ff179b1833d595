"""Precision, recall, density, coverage, diversity, memorisation and the discriminator's gap."""

import numpy as np
import pytest
import torch
from bench import Given, score
from scipy.spatial.distance import cdist

from ganzoo.api import GanzooError
from ganzoo_metrics.diversity import Diversity
from ganzoo_metrics.gap import DiscriminatorGap
from ganzoo_metrics.memorisation import Memorisation
from ganzoo_metrics.neighbourhoods import Neighbourhoods, prdc, radii

GENERATOR = torch.Generator().manual_seed(0)


def authors(real: np.ndarray, fake: np.ndarray, nearest_k: int) -> dict[str, float]:
    """The four scores step by step as in clovaai's ``prdc`` 0.2, with scipy's distances."""

    def nearest(points: np.ndarray) -> np.ndarray:
        apart = cdist(points, points)
        return np.partition(apart, nearest_k, axis=-1)[:, nearest_k]

    real_nearest, fake_nearest, apart = nearest(real), nearest(fake), cdist(real, fake)
    return {
        "precision": (apart < real_nearest[:, None]).any(axis=0).mean(),
        "recall": (apart < fake_nearest[None, :]).any(axis=1).mean(),
        "density": (1.0 / nearest_k) * (apart < real_nearest[:, None]).sum(axis=0).mean(),
        "coverage": (apart.min(axis=1) < real_nearest).mean(),
    }


def test_the_four_scores_are_the_authors() -> None:
    real, fake = torch.randn(2, 23, 3, generator=GENERATOR, dtype=torch.float64)
    fake = fake[:19] + 0.5

    assert prdc(real, fake, 3) == pytest.approx(authors(real.numpy(), fake.numpy(), 3))


def test_points_at_equal_distances_are_counted_as_the_authors_do() -> None:
    random = torch.Generator().manual_seed(1)
    real, fake = torch.randint(0, 3, (2, 40, 2), generator=random).double()

    assert prdc(real, fake, 5) == pytest.approx(authors(real.numpy(), fake.numpy(), 5))


def test_copies_of_the_reals_have_density_one() -> None:
    real = torch.randn(500, 4, generator=GENERATOR, dtype=torch.float64)

    # Each open ball holds the copy of its centre and those of its k - 1 nearest: k of N each.
    assert prdc(real, real.clone(), 5)["density"] == pytest.approx(1)


@pytest.mark.parametrize("k", [4, 5, 100])
def test_where_there_are_few_points_all_that_depends_on_k_is_of_the_farthest(k: int) -> None:
    real, fake = torch.randn(2, 5, 3, generator=GENERATOR, dtype=torch.float64)

    assert prdc(real, fake, k) == pytest.approx(authors(real.numpy(), fake.numpy(), 4))
    few = prdc(real, fake[:3], k)
    assert few == pytest.approx(authors(real.numpy(), fake[:3].numpy(), 2))


@pytest.mark.parametrize(("reals", "fakes"), [(1, 4), (4, 1)])
def test_a_single_image_has_no_neighbour_and_is_refused(reals: int, fakes: int) -> None:
    points = torch.randn(4, 3, generator=GENERATOR)

    with pytest.raises(GanzooError, match=f"{reals} real and {fakes} fake .* at least two"):
        prdc(points[:reals], points[:fakes], 5)


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
