"""Precision, recall, density, coverage, diversity, memorisation and the discriminator's gap."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from bench import Given, score, shown
from scipy.spatial.distance import cdist

from ganzoo.api import GanzooError, Seen
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


def test_two_images_of_each_kind_have_neighbours() -> None:
    real, fake = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [9.0]])

    # Balls of 2 around each real, of 8 around each fake.
    found = prdc(real, fake, 5)

    assert found == {"precision": 0.5, "recall": 1.0, "density": 1.0, "coverage": 1.0}


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
    real, fake = torch.randn(2, 250, 4, generator=GENERATOR)

    for count in (50, 201):  # of batches of 100, and of 30
        wanted = prdc(real[:count], fake[:count], 5)
        assert score(Neighbourhoods(count=count), Given(real), fake) == wanted
        assert score(Neighbourhoods(count=count), Given(real), fake, batch=30) == wanted
    with pytest.raises(GanzooError, match="250 real and 0 fake"):
        Neighbourhoods().meter(Given(real)).result()


def test_diversity_is_the_ratio_of_mean_distances() -> None:
    real = torch.randn(400, 5, generator=GENERATOR)

    assert score(Diversity(), Given(real), 3 * real)["diversity"] == pytest.approx(3, rel=1e-6)
    assert score(Diversity(), Given(real), real[:1].repeat(400, 1))["diversity"] == 0


def test_diversity_needs_a_pair_and_takes_it_within_a_batch() -> None:
    real, fake = torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [3.0], [10.0], [13.0]])

    assert score(Diversity(), Given(real), fake[:2])["diversity"] == 1.5
    assert score(Diversity(batch=2), Given(real), fake)["diversity"] == 1.5
    assert score(Diversity(), Given(real), fake[:1])["diversity"] == 0
    assert np.isnan(score(Diversity(), Given(real[:1]), fake)["diversity"])


class InParts(Given):
    """Test images that come in batches of unlike size."""

    def unseen(self) -> Iterator[Seen]:
        assert self.unseen_features is not None
        for part in torch.split(self.unseen_features, [4, 3, 4, 9]):
            yield shown(part)


def test_memorised_is_what_lies_nearer_than_the_quantile_of_the_first_test_images() -> None:
    far = torch.full((9, 1), 1e-3)  # beyond the eleven that are looked at
    unseen = torch.cat([torch.arange(1.0, 12.0)[:, None], far])
    reference = InParts(torch.zeros(5, 1), unseen=unseen)
    # A tenth of 1, 2, ..., 11 is below 2.
    fakes = torch.tensor([[1.0], [1.5], [2.0], [2.5], [3.0], *[[9.0]] * 6, *[[0.0]] * 20])

    for batch in (4, 31):
        found = score(Memorisation(quantile=0.1, count=11), reference, fakes, batch)
        assert found["memorised"] == pytest.approx(2 / 11)
    assert score(Memorisation(quantile=0.1, count=11), reference, fakes[:1])["memorised"] == 1
    assert Memorisation(quantile=0.1, count=11).meter(reference).result() == {"memorised": 0}


def test_copies_are_memorised_noise_is_not_and_new_images_are_as_often_as_expected() -> None:
    train, unseen, new = torch.randn(3, 2000, 3, generator=GENERATOR)
    reference = Given(train, unseen=unseen)
    spec = Memorisation(quantile=0.05, count=2000)

    assert score(spec, reference, train.clone())["memorised"] == 1
    assert score(spec, reference, 50 + new)["memorised"] == 0
    assert score(spec, reference, new)["memorised"] == pytest.approx(0.05, abs=0.02)
    assert spec.perfect(reference) == {"memorised": 0.05}


def test_the_gap_is_counted_in_standard_deviations() -> None:
    known = 0.1 * torch.randn(1000, 1, generator=GENERATOR)

    overfit = Given(known, unseen=known - 0.2)
    fair = Given(known, unseen=known)

    flat = Given(torch.zeros(9, 1), unseen=torch.zeros(4, 1))
    assert score(DiscriminatorGap(), flat, known)["discriminator_gap"] == 0
    assert DiscriminatorGap().perfect(fair) == {"discriminator_gap": 0}
    expected = 0.2 / float(known.std())
    assert score(DiscriminatorGap(), overfit, known)["discriminator_gap"] == pytest.approx(expected)
    assert score(DiscriminatorGap(), fair, known)["discriminator_gap"] == pytest.approx(0, abs=1e-9)
