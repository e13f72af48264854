"""Intervals of real scores and of metrics of a whole set, and what a margin says to them."""

from functools import partial

import numpy as np
import pytest
from simulated import REAL_SCORES, mean_overlap, simulated_counts, simulated_scores

from edgecv.core.paired_results import PairedScores
from edgecv.evaluation.statistics.real_scores import interval, no_worse, paired_scores
from edgecv.reports.paired_comparison import narrow_text

SETS = 100
ERROR = 0.055
"""Two and a half standard errors of a coverage of 95% over so many sets."""


def compared(gain: np.ndarray, margin: float = 1.0) -> PairedScores:
    return paired_scores(
        lambda rows: 100 * float(gain[rows].mean()), gain, np.zeros(len(gain)), margin
    )


@pytest.mark.quick
def test_the_interval_is_that_of_scipy_where_many_images_changed() -> None:
    from scipy.stats import bootstrap

    gain = np.random.default_rng(1).gamma(2, 1, 500) - 2.1
    found = compared(gain)
    theirs = bootstrap((gain,), np.mean, n_resamples=9999, rng=0).confidence_interval
    width = 100 * (theirs.high - theirs.low)
    assert found.difference_points == pytest.approx(100 * gain.mean())
    assert found.interval_points[0] == pytest.approx(100 * theirs.low, abs=0.04 * width)
    assert found.interval_points[1] == pytest.approx(100 * theirs.high, abs=0.04 * width)


@pytest.mark.quick
def test_the_same_scores_twice_are_the_same_interval() -> None:
    gain = np.random.default_rng(2).normal(size=80)
    assert compared(gain) == compared(gain)


@pytest.mark.quick
def test_equal_scores_are_no_worse_where_there_are_enough() -> None:
    """A detector passed a limit on the bound on three images, of which none had changed."""
    few, many = compared(np.zeros(40)), compared(np.zeros(400))
    low, high = few.interval_points
    assert (low, few.p_value) == (-high, 1.0)
    assert high == pytest.approx(8.8, abs=0.05)
    assert (few.no_worse.answer, few.no_worse.needed_images) == ("cannot tell", 381)
    assert many.no_worse.answer == "yes"


@pytest.mark.quick
@pytest.mark.parametrize("images", [2, 3, 30, 1000])
def test_one_image_that_changed_proves_nothing(images: int) -> None:
    gain = np.zeros(images)
    gain[0] = -2.0 * images  # 200 points in the mean.
    found = compared(gain)
    low, high = found.interval_points
    assert low < -200 < high
    assert high >= 0
    assert found.no_worse.answer == "cannot tell"


@pytest.mark.quick
def test_few_images_that_carry_the_change_are_said() -> None:
    random = np.random.default_rng(3)
    even = compared(random.normal(0, 0.1, 60))
    assert even.spread_images is not None
    assert even.spread_images > 30
    assert narrow_text(even) == []
    gain = random.normal(0, 0.001, 60)
    gain[:2] = -1
    (text,) = narrow_text(compared(gain))
    assert text.startswith("2 images carry most of the change: the interval may be too narrow")
    assert narrow_text(compared(np.zeros(60))) == []


@pytest.mark.quick
def test_few_images_have_a_wider_interval_than_the_bootstrap_gives() -> None:
    from scipy.stats import bootstrap

    gain = np.random.default_rng(3).normal(size=6)
    low, high = compared(gain).interval_points
    theirs = bootstrap((gain,), np.mean, rng=0).confidence_interval
    assert high - low > 1.3 * 100 * (theirs.high - theirs.low)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("gain", "answer"), [(-0.001, "yes"), (-0.03, "no"), (-0.0095, "cannot tell")]
)
def test_a_margin_is_answered_by_the_interval(gain: float, answer: str) -> None:
    noise = np.random.default_rng(4).normal(0, 0.05, 400)
    found = compared(noise - noise.mean() + gain)
    assert found.no_worse.answer == answer
    assert (found.no_worse.needed_images is not None) is (answer == "cannot tell")


@pytest.mark.quick
def test_so_many_images_as_are_needed_give_an_answer_in_four_of_five_tests() -> None:
    random, true = np.random.default_rng(5), -0.005
    needed = compared(random.normal(true, 0.1, 500)).no_worse.needed_images
    assert needed is not None
    width = 1.96 * 10 / np.sqrt(needed)
    answered = np.mean(100 * random.normal(true, 0.1 / np.sqrt(needed), 4000) - width > -1)
    assert 0.5 < answered < 0.98, "the estimate is of one sample"


@pytest.mark.quick
def test_the_answer_at_the_limit_itself_needs_no_number_of_images() -> None:
    found = PairedScores(10, -1.0, (-2.0, 0.0), None, compared(np.zeros(4)).no_worse)
    assert no_worse(found, 1.0).needed_images is None


@pytest.mark.parametrize("kind", REAL_SCORES[::3])
def test_the_interval_holds_the_true_difference(kind: str) -> None:
    """In small: all settings are in tests/benchmarks/test_coverage.py."""
    random = np.random.default_rng(0)
    before, after = simulated_scores(kind, 500_000, 1.0, random)
    true, covered = 100 * float((after - before).mean()), 0
    for _ in range(SETS):
        before, after = simulated_scores(kind, 60, 1.0, random)
        low, high = compared(after - before).interval_points
        covered += low <= true <= high
    assert 0.93 - ERROR < covered / SETS < 0.97 + ERROR


def test_a_metric_of_a_whole_set_is_drawn_from_stored_counts() -> None:
    random = np.random.default_rng(0)
    before, after = simulated_counts(100_000, random)
    true, covered = mean_overlap(after) - mean_overlap(before), 0
    for _ in range(30):
        before, after = simulated_counts(80, random)
        low, high = interval(partial(gained, before, after), 80, 80)
        covered += low <= true <= high
    assert covered >= 26


def gained(before: np.ndarray, after: np.ndarray, rows: np.ndarray) -> float:
    return mean_overlap(after[rows]) - mean_overlap(before[rows])
