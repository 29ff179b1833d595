"""Fréchet and kernel distance against closed forms, scipy and plain sums."""

import numpy as np
import pytest
import scipy.linalg
import torch
from bench import Given, score

from ganzoo.api import GanzooError
from ganzoo_metrics.frechet import Frechet, Moments, frechet
from ganzoo_metrics.kernel import Kernel, squared_discrepancy
from ganzoo_metrics.sliced import Sliced, along_lines, unit_vectors

RNG = np.random.default_rng(0)


def random_covariance(size: int) -> np.ndarray:
    root = RNG.normal(size=(size, size))
    return root @ root.T / size


def test_two_gaussians_with_diagonal_covariances_have_the_closed_form_distance() -> None:
    mean, other = np.array([0.0, 1.0, -2.0]), np.array([3.0, 1.0, 2.0])
    variances, others = np.array([1.0, 4.0, 9.0]), np.array([4.0, 4.0, 1.0])

    found = frechet(mean, np.diag(variances), other, np.diag(others))

    # |μ - μ'|² + Σ (σ - σ')²
    assert found == pytest.approx(25 + (1 - 2) ** 2 + 0 + (3 - 1) ** 2, abs=1e-9)


def test_any_two_gaussians_have_the_distance_that_scipys_matrix_root_gives() -> None:
    a, b = random_covariance(12), random_covariance(12)
    mean, other = RNG.normal(size=12), RNG.normal(size=12)

    root = scipy.linalg.sqrtm(a @ b)
    expected = np.sum((mean - other) ** 2) + np.trace(a + b - 2 * root.real)

    assert frechet(mean, a, other, b) == pytest.approx(expected, rel=1e-8)


def test_singular_covariances_have_a_distance() -> None:
    direction = np.array([[1.0], [2.0], [0.0]])
    flat = direction @ direction.T

    assert frechet(np.zeros(3), flat, np.zeros(3), flat) == pytest.approx(0, abs=1e-6)
    assert frechet(np.zeros(3), flat, np.zeros(3), 0 * flat) == pytest.approx(5)


def test_lines_in_space_have_the_distance_of_their_closed_form() -> None:
    # Covariances of rank 1, aa' and bb': |a|^2 + |b|^2 - 2 |a.b|. Rounding makes some of their
    # eigenvalues negative, whose root is no number.
    a, b = np.random.default_rng(0).normal(size=(2, 12))
    zero = np.zeros(12)

    found = frechet(zero, np.outer(a, a), zero, np.outer(b, b))

    assert found == pytest.approx(a @ a + b @ b - 2 * abs(a @ b), rel=1e-6)
    assert np.linalg.eigvalsh(np.outer(a, a)).min() < 0


def test_a_distance_is_never_below_zero() -> None:
    for _ in range(20):
        own, mean = random_covariance(6), RNG.normal(size=6)
        assert 0 <= frechet(mean, own, mean, own) < 1e-9


def test_moments_of_nothing_and_of_one_image() -> None:
    moments = Moments()
    moments.add(np.zeros((0, 2)))
    moments.add(np.array([[3.0, 4.0]]))
    moments.add(np.zeros((0, 2)))

    assert moments.mean.tolist() == [3, 4]
    assert moments.covariance.tolist() == [[0, 0], [0, 0]]
    moments.add(np.array([[5.0, 8.0]]))
    assert moments.covariance.tolist() == [[2, 4], [4, 8]]


def test_moments_that_come_in_batches_are_numpys() -> None:
    points = RNG.normal(3, 2, size=(1001, 7))
    moments = Moments()
    for at in range(0, 1001, 64):
        moments.add(points[at : at + 64])

    np.testing.assert_allclose(moments.mean, points.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance, np.cov(points.T), rtol=1e-10)


def test_samples_of_two_known_gaussians_are_as_far_apart_as_these() -> None:
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(20_000, 4, generator=generator)
    fake = 3 * torch.randn(20_000, 4, generator=generator) + 1

    found = score(Frechet(), Given(real), fake)["frechet"]

    assert found == pytest.approx(4 * 1 + 4 * (3 - 1) ** 2, rel=0.02)


def test_the_kernel_distance_is_the_plain_double_sum() -> None:
    x, y = torch.from_numpy(RNG.normal(size=(9, 5))), torch.from_numpy(RNG.normal(1, 1, (7, 5)))

    def kernel(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a @ b / 5 + 1) ** 3)

    within = sum(kernel(x[i], x[j]) for i in range(9) for j in range(9) if i != j) / (9 * 8)
    others = sum(kernel(y[i], y[j]) for i in range(7) for j in range(7) if i != j) / (7 * 6)
    across = sum(kernel(one, two) for one in x for two in y) / (9 * 7)
    expected = within + others - 2 * across

    assert squared_discrepancy(x, y) == pytest.approx(expected, rel=1e-12)
    assert score(Kernel(), Given(y.float()), x.float())["kernel"] == pytest.approx(
        expected, rel=1e-5
    )


def test_the_kernel_distance_of_equal_distributions_is_zero_on_average() -> None:
    generator = torch.Generator().manual_seed(1)
    found = [
        squared_discrepancy(*torch.randn(2, 100, 8, generator=generator, dtype=torch.float64))
        for _ in range(200)
    ]

    assert min(found) < 0
    assert abs(np.mean(found)) < 3 * np.std(found) / 200**0.5


def test_blocks_do_not_depend_on_how_fakes_were_batched() -> None:
    generator = torch.Generator().manual_seed(2)
    real, fake = torch.randn(2, 450, 6, generator=generator)
    spec = Kernel(block=100)

    once = score(spec, Given(real), fake, batch=450)["kernel"]

    # Four whole blocks of reals, of which the first meets the rest of the fakes.
    x, y = torch.split(fake.double(), 100), torch.split(real.double(), 100)
    pairs = [(x[0], y[0]), (x[1], y[1]), (x[2], y[2]), (x[3], y[3]), (x[4], y[0])]
    wanted = sum(squared_discrepancy(a, b) * len(a) for a, b in pairs) / 450
    assert once == pytest.approx(wanted, rel=1e-12)
    for batch in (1, 30, 100, 130):
        assert score(spec, Given(real), fake, batch)["kernel"] == pytest.approx(once, rel=1e-12)


@pytest.mark.parametrize(("reals", "fakes"), [(1, 5), (5, 1), (1, 1)])
def test_the_kernel_distance_of_a_single_image_is_refused(reals: int, fakes: int) -> None:
    real, fake = torch.randn(2, 5, 3)

    with pytest.raises(GanzooError, match=rf"{fakes} fake and {reals} real .* at least two"):
        score(Kernel(), Given(real[:reals]), fake[:fakes])


def test_a_single_image_beside_whole_blocks_is_left_out_of_the_kernel_distance() -> None:
    generator = torch.Generator().manual_seed(4)
    real, fake = torch.randn(2, 21, 3, generator=generator)
    spec = Kernel(block=10)

    assert score(spec, Given(real), fake) == score(spec, Given(real), fake[:20])


def test_two_images_beside_whole_blocks_count_in_the_kernel_distance() -> None:
    generator = torch.Generator().manual_seed(4)
    real, fake = torch.randn(2, 12, 3, generator=generator)
    x, y = torch.split(fake.double(), 10), torch.split(real.double(), 10)

    found = score(Kernel(block=10), Given(real), fake)["kernel"]

    sums = 10 * squared_discrepancy(x[0], y[0]) + 2 * squared_discrepancy(x[1], y[0])
    assert found == pytest.approx(sums / 12)


def test_the_kernel_distance_of_no_image_is_refused() -> None:
    with pytest.raises(GanzooError, match=r"0 fake and 5 real .* at least two"):
        score(Kernel(), Given(torch.randn(5, 3)), torch.zeros(0, 3))


def test_two_images_of_each_kind_have_a_kernel_distance() -> None:
    real, fake = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [2.0]])

    # Within: (0 + 1)³ and (2 + 1)³; across: (0 + 1)³ twice, (1 + 1)³ and (2 + 1)³.
    found = score(Kernel(), Given(real), fake)["kernel"]
    assert found == pytest.approx(1 + 27 - 2 * (1 + 1 + 8 + 27) / 4)
    assert score(Kernel(block=2), Given(real), fake.repeat(3, 1))["kernel"] == pytest.approx(found)


@pytest.mark.parametrize("spec", [Frechet(), Kernel()])
def test_the_order_of_samples_does_not_matter(spec: Frechet | Kernel) -> None:
    generator = torch.Generator().manual_seed(3)
    real, fake = torch.randn(2, 300, 6, generator=generator)
    order = torch.randperm(300, generator=generator)

    (first,) = score(spec, Given(real), fake).values()
    (second,) = score(spec, Given(real[order.flip(0)]), fake[order]).values()

    assert second == pytest.approx(first, rel=1e-9)


def test_the_sliced_distance_is_0_of_equal_sets_and_known_for_shifted_wider_gaussians() -> None:
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(20_000, 4, generator=generator)
    shift = torch.tensor([2.0, 0.0, -1.0, 0.5])
    wider = 3 * torch.randn(10_000, 4, generator=generator) + shift

    # Along θ, N(0, 1) against N(θ·δ, 9): (θ·δ)² + (3 - 1)².
    along = (shift.double().numpy() @ unit_vectors(4, 256, 0)) ** 2
    assert score(Sliced(), Given(real), real.flip(0))["sliced"] == pytest.approx(0, abs=1e-12)
    found = score(Sliced(), Given(real), real + shift)["sliced"]
    assert found == pytest.approx(along.mean(), rel=1e-5)
    assert score(Sliced(), Given(real), wider)["sliced"] == pytest.approx(
        4 + along.mean(), rel=0.03
    )


def test_sets_of_unequal_size_are_as_far_apart_along_a_line_as_their_repeats() -> None:
    first, second = RNG.normal(size=(7, 1)), RNG.normal(1, 2, size=(12, 1))

    # W₂² of 7 against 12 numbers is that of each repeated to 84.
    many = np.sort(np.repeat(first, 12, 0), 0), np.sort(np.repeat(second, 7, 0), 0)

    assert along_lines(first, second) == pytest.approx(np.square(many[0] - many[1]).mean())
