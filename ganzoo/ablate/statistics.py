"""Comparing scores of a few seeds honestly: intervals, exact tests, and what they cannot say.

Everything is built on ``scipy.stats``. A percentile bootstrap is left out on purpose: its nominal
95 % interval covers 74 % of the time with 3 seeds and 85 % with 5, the t-interval 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

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
    sd = float(values.std(ddof=1)) if len(values) > 1 else None
    return Summary(len(values), float(values.mean()), sd, float(np.median(values)))


def paired(
    variant: Scores, baseline: Scores, *, log: bool = False, lower_is_better: bool = True
) -> Difference:
    """Compare two variants over the seeds that both have.

    With ``log`` the differences are taken of the logarithms, which makes the t-interval honest for
    skewed scores such as Frechet distances, and come back as ratios; a score that is not positive
    has no logarithm, and then plain differences are taken (``ratio`` says which).
    """
    seeds = sorted(set(variant) & set(baseline))
    log = log and all(variant[seed] > 0 and baseline[seed] > 0 for seed in seeds)
    raw = np.array([variant[seed] - baseline[seed] for seed in seeds])
    wins = int(np.sum(raw < 0 if lower_is_better else raw > 0))
    if not seeds:
        return Difference(0, True, log, None, wins=0)
    found = raw
    if log:
        found = np.array([math.log(variant[seed] / baseline[seed]) for seed in seeds])
    low, high = t_interval(found)
    return Difference(
        n=len(seeds),
        paired=True,
        ratio=log,
        value=_back(float(found.mean()), log),
        low=_back(low, log),
        high=_back(high, log),
        p=sign_flip(found) if len(found) > 1 else None,
        smallest_p=smallest_p(len(found)),
        effect=_effect(found),
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
    value = _back(float(first.mean() - second.mean()), log)
    if n < 2:
        return Difference(n, False, log, value)
    spread = math.hypot(float(first.std()), float(second.std()))
    if spread <= 1e-12 * max(abs(float(first.mean())), abs(float(second.mean())), 1e-300):
        return Difference(n, False, log, value)
    test = stats.ttest_ind(first, second, equal_var=False)
    interval = test.confidence_interval(CONFIDENCE)
    return Difference(
        n=n,
        paired=False,
        ratio=log,
        value=value,
        low=_back(float(interval.low), log),
        high=_back(float(interval.high), log),
        p=float(test.pvalue),
    )


def t_interval(values: Sequence[float] | np.ndarray) -> tuple[float | None, float | None]:
    """Return the 95 % t-interval of the mean; (None, None) with fewer than two values."""
    found = np.asarray(values, dtype=float)
    if len(found) < 2:
        return None, None
    error = float(found.std(ddof=1)) / math.sqrt(len(found))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(found) - 1)) * error
    mean = float(found.mean())
    return mean - half, mean + half


def sign_flip(differences: Sequence[float] | np.ndarray) -> float:
    """Return the two-sided p of Fisher's sign-flip test that the differences' mean is zero.

    Under the null hypothesis each difference might as well have had the other sign; p is the share
    of sign assignments with a mean at least as far from zero. Exact up to 16 pairs.
    """
    found = np.asarray(differences, dtype=float)
    if not np.any(found):
        return 1.0
    count = np.inf if len(found) <= EXACT_UP_TO else 99_999
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
    together = {}
    apart = {}
    log = log and all(table[seed] > 0 for table in (a, b, c, d) for seed in seeds)
    for seed in seeds:
        if log:
            together[seed], apart[seed] = d[seed] / c[seed], b[seed] / a[seed]
        else:
            together[seed], apart[seed] = d[seed] - c[seed], b[seed] - a[seed]
    return paired(together, apart, log=log)


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
    return {seed: math.fsum(table[seed] for table in tables) / len(tables) for seed in seeds}


def seeds_needed(comparisons: int, level: float = 0.05) -> int:
    """Return the least pairs with which the exact test can reach ``level`` after correction."""
    return 1 + math.ceil(math.log2(max(1, comparisons) / level))


def _back(value: float | None, log: bool) -> float | None:
    if value is None:
        return None
    return math.exp(value) if log else value


def _effect(found: np.ndarray) -> float | None:
    if len(found) < 2:
        return None
    sd = float(found.std(ddof=1))
    return float(found.mean()) / sd if sd > 0 else None
