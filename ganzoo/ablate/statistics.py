"""Comparing scores of a few seeds honestly: intervals, exact tests, and what they cannot say.

Everything is built on ``scipy.stats``. A percentile bootstrap is left out on purpose: its nominal
95 % interval covers 74 % of the time with 3 seeds and 85 % with 5, the t-interval 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
EXACT_UP_TO = 16
"""Pairs up to which every assignment of signs is tried; beyond, 99,999 random ones are."""

Scores = Mapping[int, float]
"""One score for each seed."""


@dataclass(frozen=True)
class Summary:
    """Scores of one variant: ``sd`` is the sample's (n - 1), None with fewer than two."""

    n: int
    mean: float | None
    sd: float | None
    median: float | None


@dataclass(frozen=True)
class Difference:
    """One variant against the baseline; on a log scale the numbers are those of the ratio.

    Attributes:
        n: pairs, or for unpaired scores the smaller group.
        value: mean difference variant - baseline, or geometric mean of the ratios.
        low: lower end of the t-interval; None with fewer than two pairs.
        p: two-sided; exact sign flips for pairs, Welch's t for unpaired scores.
        smallest_p: the least the exact test can give with so many pairs.
        holm: ``p`` after Holm's correction over the variants shown; set by ``correct``.
        effect: d_z, the mean of the differences in units of their standard deviation.
        wins: pairs in which the variant is better.
    """

    n: int
    paired: bool
    ratio: bool
    value: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    smallest_p: float | None = None
    holm: float | None = None
    effect: float | None = None
    wins: int | None = None


def summarise(scores: Iterable[float]) -> Summary:
    """Return number, mean, standard deviation and median."""
    values = np.asarray(list(scores), dtype=float)
    if not len(values):
        return Summary(0, None, None, None)
    mean, sd = _moments(values)
    unit = _power_of_two(values)
    return Summary(len(values), mean, sd, float(np.median(values / unit)) * unit)


def paired(
    variant: Scores, baseline: Scores, *, log: bool = False, lower_is_better: bool = True
) -> Difference:
    """Compare two variants over the seeds that both have.

    With ``log`` the differences are taken of the logarithms, which makes the t-interval honest for
    skewed scores such as Frechet distances, and come back as ratios; a score that is not positive
    has no logarithm, and then plain differences are taken (``ratio`` says which). Differences that
    are the same but for rounding have no effect size. Scores that are not finite have no test.
    """
    seeds = sorted(set(variant) & set(baseline))
    first = np.array([variant[seed] for seed in seeds], float)
    second = np.array([baseline[seed] for seed in seeds], float)
    log = log and bool((first > 0).all() and (second > 0).all())
    wins = int(np.sum(first < second if lower_is_better else first > second))
    if not seeds:
        return Difference(0, True, log, None, wins=0)
    if log:
        first, second = np.log(first), np.log(second)
    return _of_pairs(first, second, log=log, wins=wins)


def _of_pairs(first: np.ndarray, second: np.ndarray, *, log: bool, wins: int | None) -> Difference:
    """Compare pairs of finite scores, or of their logarithms."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = first - second
    if not np.isfinite(found).all():
        return Difference(len(found), True, log, _known(float(found.mean())), wins=wins)
    mean, sd = _moments(found)
    low, high = t_interval(found)
    is_spread = sd is not None and sd > _rounding(first, second, log=log)
    return Difference(
        n=len(found),
        paired=True,
        ratio=log,
        value=_back(mean, log),
        low=_back(low, log),
        high=_back(high, log),
        p=sign_flip(found) if len(found) > 1 else None,
        smallest_p=smallest_p(len(found)),
        effect=mean / sd if is_spread and sd is not None else None,
        wins=wins,
    )


def unpaired(
    variant: Iterable[float], baseline: Iterable[float], *, log: bool = False
) -> Difference:
    """Compare two groups that share no seeds by Welch's t-test; weaker than pairing."""
    first, second = np.asarray(list(variant), float), np.asarray(list(baseline), float)
    log = log and bool((first > 0).all() and (second > 0).all())
    if log:
        first, second = np.log(first), np.log(second)
    n = min(len(first), len(second))
    if n == 0:
        return Difference(0, False, log, None)
    (mean, sd), (other_mean, other_sd) = _moments(first), _moments(second)
    value = _back(_known(mean - other_mean), log)
    if sd is None or other_sd is None or not math.isfinite(sd + other_sd):
        return Difference(n, False, log, value)
    if math.hypot(sd, other_sd) <= _rounding(first, second, log=log):
        return Difference(n, False, log, value)
    unit = max(_power_of_two(first), _power_of_two(second))
    from scipy import stats

    test = stats.ttest_ind(first / unit, second / unit, equal_var=False)
    interval = test.confidence_interval(CONFIDENCE)
    return Difference(
        n=n,
        paired=False,
        ratio=log,
        value=value,
        low=_back(float(interval.low) * unit, log),
        high=_back(float(interval.high) * unit, log),
        p=float(test.pvalue),
    )


def t_interval(values: Sequence[float] | np.ndarray) -> tuple[float | None, float | None]:
    """Return the 95 % t-interval of the mean; (None, None) with fewer than two values."""
    mean, sd = _moments(np.asarray(values, dtype=float))
    if sd is None:
        return None, None
    from scipy import stats

    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * (sd / math.sqrt(len(values)))
    return mean - half, mean + half


def sign_flip(differences: Sequence[float] | np.ndarray) -> float:
    """Return the two-sided p of Fisher's sign-flip test that the differences' mean is zero.

    Under the null hypothesis each difference might as well have had the other sign; p is the share
    of sign assignments with a mean at least as far from zero. Exact up to 16 pairs. NaN where a
    difference is not finite: there is no such share.
    """
    found = np.asarray(differences, dtype=float)
    if not np.isfinite(found).all():
        return math.nan
    if not np.any(found):
        return 1.0
    found = found / _power_of_two(found)
    count = np.inf if len(found) <= EXACT_UP_TO else 99_999
    from scipy import stats

    test = stats.permutation_test(
        (found,),
        lambda sample, axis: np.abs(np.mean(sample, axis=axis)),
        permutation_type="samples",
        vectorized=True,
        n_resamples=count,
        alternative="greater",
        rng=np.random.default_rng(0),
    )
    return float(test.pvalue)


def smallest_p(pairs: int) -> float | None:
    """Return the least two-sided p that the exact sign-flip test can give: 2 of 2ⁿ."""
    return None if pairs < 1 else min(1.0, 2.0 ** (1 - pairs))


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values corrected so that the chance of any false alarm stays at the level.

    Holm 1979, Scandinavian Journal of Statistics 6: step down, never decreasing.
    """
    order = sorted(range(len(values)), key=lambda index: values[index])
    corrected = [0.0] * len(values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[index]))
        corrected[index] = highest
    return corrected


def interaction(cells: Sequence[Sequence[Scores]], *, log: bool = False) -> Difference:
    """Return the difference of differences of a 2×2 table of scores, paired by seed.

    ``cells[i][j]`` is level i of the first factor and j of the second; positive (or a ratio above
    1) where both changes together raise the score more than the two alone add up to.
    """
    (a, b), (c, d) = cells
    seeds = sorted(set(a) & set(b) & set(c) & set(d))
    scores = np.array([[table[seed] for seed in seeds] for table in (a, b, c, d)], float)
    log = log and bool((scores > 0).all())
    if not seeds:
        return Difference(0, True, log, None, wins=0)
    first, second, third, fourth = np.log(scores) if log else scores
    together, apart = fourth - third, second - first
    return _of_pairs(together, apart, log=log, wins=int(np.sum(together < apart)))


def marginal(cells: Iterable[Scores], *, log: bool = False) -> dict[int, float]:
    """Return each seed's mean over ``cells``, for the seeds that all of them have.

    With ``log`` the mean is geometric, as that of the ratios it is compared by.
    """
    tables = list(cells)
    seeds = sorted(set.intersection(*(set(table) for table in tables))) if tables else []
    log = log and all(table[seed] > 0 for table in tables for seed in seeds)
    if log:
        return {
            seed: math.exp(math.fsum(math.log(table[seed]) for table in tables) / len(tables))
            for seed in seeds
        }
    return {seed: _moments(np.array([table[seed] for table in tables]))[0] for seed in seeds}


def seeds_needed(comparisons: int, level: float = 0.05) -> int:
    """Return the least pairs with which the exact test can reach ``level`` after correction."""
    return 1 + math.ceil(math.log2(max(1, comparisons) / level))


def _back(value: float | None, log: bool) -> float | None:
    """Return the ratio of a logarithm; infinite where no number is as large."""
    if value is None or not log:
        return value
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _power_of_two(values: np.ndarray) -> float:
    """Return the power of two by which values are divided, without rounding, to lie near 1."""
    largest = float(np.abs(values).max())
    is_scaled = 0 < largest < math.inf
    return math.ldexp(1.0, math.frexp(largest)[1] - 1) if is_scaled else 1.0


def _moments(values: np.ndarray) -> tuple[float, float | None]:
    """Return mean and standard deviation (n - 1), however large or small the values are."""
    if not np.isfinite(values).all():
        return float(values.mean()), math.nan if len(values) > 1 else None
    unit = _power_of_two(values)
    near_one = values / unit
    sd = float(near_one.std(ddof=1)) * unit if len(values) > 1 else None
    return float(near_one.mean()) * unit, sd


def _rounding(first: np.ndarray, second: np.ndarray, *, log: bool) -> float:
    """Return a spread that differences of such scores, or of their logarithms, have by rounding."""
    largest = max(float(np.abs(first).max()), float(np.abs(second).max()))
    # A score's own last bit is one of its logarithm's, however near to 0 that is.
    return 1e-12 * (largest + 1 if log else largest)
