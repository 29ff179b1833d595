"""The statistics of comparisons, against closed forms, scipy and simulated scores."""

from __future__ import annotations

import itertools
import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from scipy import stats

from ganzoo.ablate import statistics

SIMULATIONS = 2000


def seeded(values: np.ndarray) -> dict[int, float]:
    return {seed: float(value) for seed, value in enumerate(values)}


SLOW = pytest.mark.slow
FEW_AND_MORE = [pytest.param(3, marks=SLOW), 5, pytest.param(8, marks=SLOW)]


@pytest.mark.parametrize("seeds", FEW_AND_MORE)
def test_the_interval_covers_a_known_difference_within_two_points_of_nominal(seeds: int) -> None:
    random = np.random.default_rng(seeds)
    covered = 0
    for _ in range(SIMULATIONS):
        shared = random.normal(10, 2, seeds)
        baseline = seeded(shared + random.normal(0, 1, seeds))
        variant = seeded(shared + random.normal(0.7, 1, seeds))
        found = statistics.paired(variant, baseline)
        covered += found.low <= 0.7 <= found.high

    assert abs(covered / SIMULATIONS - 0.95) < 0.02


@pytest.mark.parametrize("seeds", FEW_AND_MORE)
def test_the_ratio_of_skewed_scores_is_covered_within_two_points_of_nominal(seeds: int) -> None:
    random = np.random.default_rng(seeds)
    covered = 0
    for _ in range(SIMULATIONS):
        shared = random.normal(3, 0.5, seeds)
        baseline = seeded(np.exp(shared + random.normal(0, 0.8, seeds)))
        variant = seeded(np.exp(shared + random.normal(math.log(0.8), 0.8, seeds)))
        found = statistics.paired(variant, baseline, log=True)
        covered += found.low <= 0.8 <= found.high

    assert abs(covered / SIMULATIONS - 0.95) < 0.02


def test_a_percentile_bootstrap_would_cover_far_less_with_three_seeds() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(SIMULATIONS):
        values = random.normal(0.7, 1, 3)
        means = values[random.integers(0, 3, (1000, 3))].mean(1)
        low, high = np.quantile(means, [0.025, 0.975])
        covered += low <= 0.7 <= high

    assert covered / SIMULATIONS < 0.80


def test_false_alarms_over_three_equal_variants_stay_at_the_level_after_correction() -> None:
    random = np.random.default_rng(2)
    corrected = uncorrected = 0
    for _ in range(SIMULATIONS):
        baseline = random.normal(0, 1, 6)
        p_values = [statistics.sign_flip(random.normal(0, 1, 6) - baseline) for _ in range(3)]
        uncorrected += min(p_values) <= 0.05
        corrected += min(statistics.holm(p_values)) <= 0.05

    assert corrected / SIMULATIONS <= 0.05 + 0.01
    assert uncorrected / SIMULATIONS > 0.055


def test_one_comparison_of_equal_variants_alarms_at_the_stated_rate() -> None:
    random = np.random.default_rng(3)
    alarms = sum(statistics.sign_flip(random.normal(0, 1, 8)) <= 0.05 for _ in range(SIMULATIONS))

    # 12 of 256 assignments are at most .05: the exact test's true level is .0469.
    assert abs(alarms / SIMULATIONS - 12 / 256) < 0.015


def test_pairing_finds_more_when_seeds_correlate() -> None:
    random = np.random.default_rng(4)
    with_pairs = without = 0
    for _ in range(SIMULATIONS // 4):
        shared = random.normal(10, 2, 8)
        baseline = shared + random.normal(0, 0.5, 8)
        variant = shared + random.normal(-0.8, 0.5, 8)
        with_pairs += statistics.paired(seeded(variant), seeded(baseline)).p <= 0.05
        without += statistics.unpaired(variant, baseline).p <= 0.05

    assert with_pairs / (SIMULATIONS // 4) > 0.7
    assert without / (SIMULATIONS // 4) < 0.2


@pytest.mark.parametrize("count", [2, 5, 9])
def test_the_sign_flip_test_counts_every_assignment_of_signs(count: int) -> None:
    differences = np.random.default_rng(count).normal(0.5, 1, count)

    means = [
        abs(np.mean(np.array(signs) * differences))
        for signs in itertools.product((-1, 1), repeat=count)
    ]
    expected = np.mean(np.array(means) >= abs(differences.mean()) - 1e-12)
    assert statistics.sign_flip(differences) == pytest.approx(expected)


def test_six_seeds_are_the_least_for_significance_at_five_percent() -> None:
    assert statistics.sign_flip([1.0] * 5) == pytest.approx(2 / 32)
    assert statistics.sign_flip([1.0] * 6) == pytest.approx(2 / 64)
    assert statistics.smallest_p(5) > 0.05 > statistics.smallest_p(6)


def test_many_pairs_are_sampled_and_come_out_the_same_every_time() -> None:
    differences = np.random.default_rng(0).normal(0.4, 1, 30)

    first = statistics.sign_flip(differences)
    again = stats.permutation_test(
        (differences,),
        lambda sample, axis: np.abs(sample.mean(axis)),
        permutation_type="samples",
        n_resamples=99_999,
        alternative="greater",
        rng=0,
    )

    assert first == again.pvalue
    assert first == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.02)


def test_the_paired_interval_is_scipys() -> None:
    random = np.random.default_rng(5)
    variant, baseline = random.normal(1, 1, 7), random.normal(0, 1, 7)

    found = statistics.paired(seeded(variant), seeded(baseline))
    expected = stats.ttest_rel(variant, baseline).confidence_interval(0.95)

    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.effect == pytest.approx(
        stats.ttest_rel(variant, baseline).statistic / math.sqrt(7)
    )


def test_holms_correction_gives_the_figures_of_the_textbook() -> None:
    # The example of R's p.adjust(c(.01, .02, .03, .04, .05), "holm").
    assert statistics.holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx(
        [0.05, 0.08, 0.09, 0.09, 0.09]
    )
    assert statistics.holm([0.9, 0.01]) == pytest.approx([0.9, 0.02])
    assert statistics.holm([]) == []


def test_only_shared_seeds_are_compared() -> None:
    found = statistics.paired({0: 1.0, 1: 2.0, 2: 9.0}, {0: 2.0, 1: 4.0, 7: 1.0})

    assert (found.n, found.value, found.wins) == (2, -1.5, 2)


def test_one_seed_gives_a_difference_and_neither_interval_nor_test() -> None:
    found = statistics.paired({0: 1.0}, {0: 3.0}, log=True)

    assert found.value == pytest.approx(1 / 3)
    assert (found.low, found.high, found.p, found.effect) == (None, None, None, None)


def test_scores_without_a_logarithm_are_compared_as_plain_differences() -> None:
    found = statistics.paired({0: -1.0, 1: 2.0}, {0: 1.0, 1: 1.0}, log=True)

    assert not found.ratio
    assert found.value == pytest.approx(-0.5)


def test_no_shared_seed_gives_an_empty_difference() -> None:
    assert statistics.paired({0: 1.0}, {1: 1.0}).value is None


def test_equal_scores_are_no_difference_at_all() -> None:
    found = statistics.paired({0: 1.0, 1: 2.0}, {0: 1.0, 1: 2.0})

    assert (found.value, found.p, found.effect, found.wins) == (0, 1.0, None, 0)
    assert statistics.unpaired([1.0, 1.0], [1.0, 1.0]).p is None


def test_a_tie_is_no_win_whichever_way_is_better() -> None:
    variant, baseline = {0: 1.0, 1: 2.0, 2: 4.0}, {0: 1.0, 1: 3.0, 2: 3.0}

    for lower_is_better in (True, False):
        found = statistics.paired(variant, baseline, lower_is_better=lower_is_better)
        assert found.wins == 1
    again = statistics.interaction([[baseline, variant], [baseline, variant]])
    assert (again.value, again.wins) == (0, 0)
    assert statistics.interaction([[baseline, baseline], [baseline, variant]]).wins == 1


@pytest.mark.parametrize("log", [False, True])
def test_differences_that_are_alike_but_for_rounding_have_no_effect_size(log: bool) -> None:
    baseline = {0: 0.1, 1: 0.7, 2: 1.9, 3: 12.3}
    variant = {seed: 1.1 * score if log else score + 0.1 for seed, score in baseline.items()}

    found = statistics.paired(variant, baseline, log=log)

    assert found.effect is None
    assert found.value == pytest.approx(1.1 if log else 0.1)
    assert (found.low, found.high) == pytest.approx((found.value, found.value))
    assert found.p == pytest.approx(2 / 16)


def test_a_small_spread_that_is_no_rounding_has_its_effect_size() -> None:
    found = statistics.paired({0: 1 + 3e-9, 1: 1 + 1e-9}, {0: 1.0, 1: 1.0})

    assert found.effect == pytest.approx(2 / 2**0.5, rel=1e-6)
    # Logarithms of scores near 1 are rounded as the scores are, by less than 1e-12.
    ratios = statistics.paired({0: 1 + 2.1e-12, 1: 1.0}, {0: 1.0, 1: 1.0}, log=True)
    assert ratios.effect == pytest.approx(0.5**0.5, rel=1e-3)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_has_no_test(bad: float) -> None:
    assert math.isnan(statistics.sign_flip([0.1, bad, 0.3]))
    for log in (False, True):
        found = statistics.paired({0: 1.0, 1: bad}, {0: 2.0, 1: 1.0}, log=log)
        assert (found.n, found.p, found.low, found.high, found.effect) == (
            2,
            None,
            None,
            None,
            None,
        )
        assert found.paired
        apart = statistics.unpaired([1.0, bad, 2.0], [3.0, 4.0], log=log)
        assert (apart.p, apart.low, apart.high) == (None, None, None)


def test_ratios_of_the_smallest_and_the_largest_numbers_are_taken() -> None:
    tiny, huge = {0: 1e-300, 1: 2e-300}, {0: 1e300, 1: 3e300}

    found = statistics.paired(tiny, huge, log=True)
    back = statistics.paired(huge, tiny, log=True)

    assert found.ratio
    assert (found.value, found.wins) == (0, 2)  # 1e-600, less than any number
    assert (back.value, back.high, back.wins) == (math.inf, math.inf, 0)
    assert found.p == back.p == pytest.approx(2 / 4)
    assert found.effect == pytest.approx(-back.effect)
    rows = [[tiny, huge], [{0: 1.0, 1: 2.0}, {0: 1e300, 1: 2e300}]]
    # The baseline's ratios are 1e600 and 1.5e600, the other's 1e300 twice.
    ratio = statistics.interaction(rows, log=True)
    assert ratio.value == pytest.approx(1e-300 / 1.5**0.5, rel=1e-9)


def test_differences_of_the_largest_numbers_have_the_moments_of_scaled_ones() -> None:
    large = statistics.paired({0: 1e300, 1: 5e300}, {0: 0.5e300, 1: 1e300})
    small = statistics.paired({0: 1.0, 1: 5.0}, {0: 0.5, 1: 1.0})

    assert large.value == pytest.approx(1e300 * small.value)
    assert (large.low, large.high) == pytest.approx((1e300 * small.low, 1e300 * small.high))
    assert (large.effect, large.p) == pytest.approx((small.effect, small.p))
    whole = statistics.summarise([1e308, 1.5e308])
    assert (whole.mean, whole.median) == pytest.approx((1.25e308, 1.25e308))
    apart = statistics.unpaired([1e300, 2e300, 4e300], [3e300, 5e300])
    other = statistics.unpaired([1.0, 2.0, 4.0], [3.0, 5.0])
    assert (apart.p, apart.low) == pytest.approx((other.p, 1e300 * other.low))
    assert statistics.marginal([{0: 1e308}, {0: 1.5e308}])[0] == pytest.approx(1.25e308)


def test_ratios_are_told_up_to_the_largest_number_and_beyond_it_are_infinite() -> None:
    for above, ratio in ((354.0, math.exp(708.5)), (355.2, math.exp(709.7)), (355.4, math.inf)):
        found = statistics.paired({0: math.exp(above)}, {0: math.exp(-354.5)}, log=True)
        assert found.value == pytest.approx(ratio, rel=1e-9)


def test_the_smallest_numbers_have_the_moments_of_scaled_ones() -> None:
    tiny = statistics.summarise([1e-300, 3e-300])
    least = statistics.summarise([5e-324])

    assert (tiny.mean, tiny.sd) == pytest.approx((2e-300, 2**0.5 * 1e-300), abs=0)
    assert (least.mean, least.median) == (5e-324, 5e-324)
    for value in (5e-324, 1.5e308):
        assert statistics.summarise([-value, value, math.inf]).median == value


def test_spreads_that_no_number_can_hold_have_no_test() -> None:
    far = [1.5e308, -1.5e308]

    found = statistics.unpaired([1.0, 2.0], far)
    both = statistics.unpaired([0.8e308, -0.8e308], [0.8e308, -0.8e308])

    assert (found.value, found.p, found.low) == (1.5, None, None)
    assert (both.value, both.p, both.low, both.high) == (0.0, None, None, None)


def test_an_interaction_is_the_difference_of_differences() -> None:
    rows = [[{0: 1.0, 1: 2.0}, {0: 2.0, 1: 3.0}], [{0: 5.0, 1: 5.0}, {0: 9.0, 1: 8.0}]]

    assert statistics.interaction(rows).value == pytest.approx(((9 - 5) - 1 + (8 - 5) - 1) / 2)
    ratio = statistics.interaction(rows, log=True)
    assert ratio.value == pytest.approx(math.sqrt((9 / 5) / 2 * (8 / 5) / 1.5))


def test_a_marginal_mean_averages_within_each_seed() -> None:
    assert statistics.marginal([{0: 1.0, 1: 2.0}, {0: 3.0, 1: 4.0, 2: 9.0}]) == {0: 2.0, 1: 3.0}
    assert statistics.marginal([{0: 1.0}, {0: 4.0}], log=True) == {0: pytest.approx(2.0)}


def test_more_comparisons_need_more_seeds() -> None:
    assert [statistics.seeds_needed(number) for number in (1, 2, 4)] == [6, 7, 8]
    assert min(statistics.holm([statistics.smallest_p(8)] * 4)) < 0.05
    assert min(statistics.holm([statistics.smallest_p(7)] * 4)) > 0.05


def test_unpaired_groups_are_compared_by_welchs_test_as_scipy_has_it() -> None:
    random = np.random.default_rng(6)
    first, second = random.lognormal(0, 1, 5), random.lognormal(1, 3, 9)

    for log in (False, True):
        found = statistics.unpaired(first, second, log=log)
        groups = (np.log(first), np.log(second)) if log else (first, second)
        test = stats.ttest_ind(*groups, equal_var=False)
        ends = test.confidence_interval(0.95)
        wanted = [groups[0].mean() - groups[1].mean(), ends.low, ends.high]
        assert [found.value, found.low, found.high] == pytest.approx(
            np.exp(wanted) if log else wanted
        )
        assert found.p == pytest.approx(test.pvalue)
        assert (found.n, found.paired, found.ratio) == (5, False, log)
    assert statistics.unpaired(first, second) == statistics.unpaired(first, second, log=False)


@pytest.mark.parametrize("without", [0.0, -0.5])
def test_a_score_that_has_no_logarithm_makes_no_ratio_wherever_it_stands(without: float) -> None:
    good, bad = {0: 0.25, 1: 0.5}, {0: 0.25, 1: without}

    assert statistics.paired(good, good, log=True).ratio
    assert statistics.unpaired(good.values(), good.values(), log=True).ratio
    assert statistics.interaction([[good] * 2] * 2, log=True).ratio
    assert statistics.marginal([good, {0: 1.0, 1: 2.0}], log=True) == {0: 0.5, 1: 1.0}
    for one, other in ((good, bad), (bad, good)):
        assert not statistics.paired(one, other, log=True).ratio
        assert not statistics.unpaired(one.values(), other.values(), log=True).ratio
        assert not statistics.interaction([[one, other], [good, good]], log=True).ratio
        found = statistics.marginal([one, other], log=True)
        assert found[1] == pytest.approx((0.5 + without) / 2)


def test_where_there_is_nothing_to_compare_nothing_is_said() -> None:
    nothing: list[statistics.Scores] = [{0: 1.0}, {1: 1.0}]

    assert statistics.summarise([]) == statistics.Summary(0, None, None, None)
    assert statistics.paired({}, {}) == statistics.Difference(0, True, False, None, wins=0)
    for groups in (([], [1.0]), ([1.0], [])):
        assert statistics.unpaired(*groups) == statistics.Difference(0, False, False, None)
    alone = statistics.unpaired([3.0], [1.0, 1.5])
    assert alone == statistics.Difference(1, False, False, 1.75)
    assert statistics.unpaired([1.0, 1.5], [3.0]) == statistics.Difference(1, False, False, -1.75)
    for place in range(4):
        four = [{0: 1.0, 2: 1.0} for _ in range(4)]
        four[place] = {1: 1.0, 3: 1.0}
        found = statistics.interaction([four[:2], four[2:]])
        assert found == statistics.Difference(0, True, False, None, wins=0)
    assert statistics.marginal(nothing) == statistics.marginal([]) == {}


def test_scores_of_zero_have_neither_spread_nor_test() -> None:
    zeros = {0: 0.0, 1: 0.0}

    assert statistics.unpaired([0.0, 0.0], [0.0, 0.0]) == statistics.Difference(
        2, False, False, 0.0
    )
    found = statistics.paired(zeros, zeros)
    assert (found.paired, found.value, found.p, found.effect) == (True, 0.0, 1.0, None)
    # The last bits of scores near 1 are last bits of their logarithms, which lie near 0.
    near = {0: 1.0, 1: 1 + 2**-52, 2: 1.0}
    assert statistics.paired(near, {0: 1.0, 1: 1.0, 2: 1.0}, log=True).effect is None


def test_the_moments_of_what_is_not_finite() -> None:
    infinite, unknown = math.inf, math.nan

    assert statistics.summarise([infinite]).sd is None
    assert math.isnan(statistics.summarise([infinite, 1.0]).sd)
    assert statistics.paired({0: unknown}, {0: 1.0}).value is None
    assert statistics.paired({0: infinite}, {0: 1.0}).value == infinite
    assert statistics.unpaired([unknown], [1.0]).value is None
    found = statistics.summarise([1.0, 2.0, 6.0])
    assert (found.n, found.mean, found.median) == (3, 3.0, 2.0)
    assert found.sd == pytest.approx(7**0.5)


def test_up_to_sixteen_pairs_are_exact_and_more_are_drawn_a_hundred_thousand_times() -> None:
    assert statistics.sign_flip([1.0] * 16) == 2 / 2**16
    drawn = statistics.sign_flip([1.0] * 17)  # 99,999 draws and what was found itself

    assert drawn * 100_000 == pytest.approx(round(drawn * 100_000), abs=1e-9)
    assert 0 < drawn < 1e-4
    assert [statistics.smallest_p(pairs) for pairs in (0, 1, 2, 3)] == [None, 1.0, 0.5, 0.25]


def test_no_corrected_p_is_above_1_and_no_comparison_needs_fewer_seeds_than_one() -> None:
    assert statistics.holm([0.9, 0.8, 0.01]) == pytest.approx([1.0, 1.0, 0.03])
    assert statistics.seeds_needed(0) == statistics.seeds_needed(1) == 6
    assert statistics.seeds_needed(1, level=0.5) == 2


def test_what_was_found_cannot_be_changed() -> None:
    for found in (statistics.summarise([1.0]), statistics.paired({0: 1.0}, {0: 2.0})):
        with pytest.raises(FrozenInstanceError):
            found.n = 2  # type: ignore[misc, union-attr]
