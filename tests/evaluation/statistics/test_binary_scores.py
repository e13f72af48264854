"""Wins, losses, the exact test, the interval, and what a margin says to it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import simulated_pairs

from edgecv.evaluation.statistics.binary_scores import (
    difference_interval,
    mcnemar,
    no_worse,
    paired_accuracy,
)

pytestmark = pytest.mark.quick


def test_wins_and_losses_are_counted_on_the_same_images() -> None:
    right = np.array([True, True, True, False, False, False])
    before = np.array([True, False, False, True, False, False])
    found = paired_accuracy(right, before, margin_points=1.0)
    assert (found.both_right, found.wins, found.losses, found.both_wrong) == (1, 2, 1, 2)
    assert found.images == 6
    assert found.difference_points == pytest.approx(100 / 6)
    low, high = found.interval_points
    assert low < found.difference_points < high


@pytest.mark.parametrize(
    ("wins", "losses", "p_value"),
    [
        (0, 0, 1.0),
        (10, 10, 1.0),
        (0, 1, 1.0),
        (0, 5, 2 / 2**5),
        (5, 0, 2 / 2**5),
        (1, 9, 2 * (1 + 10) / 2**10),
        (187, 193, 0.7976),  # The pair of which others print 0.06 points.
    ],
)
def test_the_exact_test(wins: int, losses: int, p_value: float) -> None:
    assert float(mcnemar(np.array(wins), np.array(losses))) == pytest.approx(p_value, abs=1e-4)


@pytest.mark.parametrize(("wins", "losses", "images"), [(27, 38, 5000), (0, 6, 200), (3, 1, 90)])
def test_the_ends_are_1_96_standard_errors_away_by_the_likelihood(
    wins: int, losses: int, images: int
) -> None:
    """Without Tango's formula: the likeliest fraction of losses is searched for."""
    for end in difference_interval(wins, losses, images):
        lost = np.linspace(max(0, -end), (1 - end) / 2, 400_001)[1:-1]
        unchanged = (images - wins - losses) * np.log1p(-2 * lost - end)
        likelihood = wins * np.log(lost + end) + losses * np.log(lost) + unchanged
        likeliest = lost[likelihood.argmax()]
        error = np.sqrt((2 * likeliest + end - end**2) / images)
        assert abs((wins - losses) / images - end) / error == pytest.approx(1.96, abs=0.002)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(120, 5000))
def test_the_interval_holds_what_was_seen_and_mirrors(wins: int, losses: int, images: int) -> None:
    low, high = difference_interval(wins, losses, images)
    assert -1 <= low <= (wins - losses) / images <= high <= 1
    mirrored = difference_interval(losses, wins, images)
    assert mirrored == pytest.approx((-high, -low), abs=1e-9)


def test_nothing_changed_is_not_nothing_can_change() -> None:
    low, high = difference_interval(0, 0, 200)
    z2 = 1.959964**2
    assert (low, high) == pytest.approx((-z2 / (200 + z2), z2 / (200 + z2)), rel=1e-5)


def test_everything_changed() -> None:
    assert difference_interval(0, 50, 50)[0] == -1
    assert difference_interval(50, 0, 50)[1] == 1


@pytest.mark.parametrize("changed", [0.02, 0.08])
@pytest.mark.parametrize("difference", [-0.01, 0.0])
def test_the_95_percent_interval_covers_94_to_96(changed: float, difference: float) -> None:
    """Over 2,000 simulated pairs of 5,000 images at 75%."""
    pairs = simulated_pairs(5000, 0.75, changed, difference, pairs=2000)
    covered = 0
    for _, wins, losses, _ in pairs.tolist():
        low, high = difference_interval(wins, losses, 5000)
        covered += low <= difference <= high
    assert 0.94 <= covered / len(pairs) <= 0.96


@pytest.mark.parametrize(
    ("wins", "losses", "images", "margin", "answer"),
    [
        (40, 40, 5000, 1.0, "yes"),
        (0, 0, 5000, 1.0, "yes"),
        (10, 200, 5000, 1.0, "no"),
        (40, 70, 5000, 1.0, "cannot tell"),
        (40, 85, 5000, 1.0, "cannot tell"),
        (2, 3, 200, 1.0, "cannot tell"),
        (40, 40, 5000, 0.0, "cannot tell"),
        (120, 20, 5000, 0.0, "yes"),
    ],
)
def test_no_worse_than_a_margin(
    wins: int, losses: int, images: int, margin: float, answer: str
) -> None:
    found = no_worse(wins, losses, images, margin)
    assert found.answer == answer
    low, high = (100 * end for end in difference_interval(wins, losses, images))
    assert answer == ("yes" if low >= -margin else "no" if high < -margin else "cannot tell")
    assert (found.needed_images is not None) == (answer == "cannot tell" and margin > 0)


@pytest.mark.parametrize(
    ("wins", "losses", "images"), [(40, 70, 5000), (2, 3, 200), (30, 84, 4000)]
)
def test_as_many_images_as_are_said_to_be_needed_do_tell_in_four_of_five(
    wins: int, losses: int, images: int
) -> None:
    needed = no_worse(wins, losses, images, 1.0).needed_images
    assert needed is not None
    assert needed > images
    changed, difference = (wins + losses) / images, (wins - losses) / images
    pairs = simulated_pairs(needed, 0.75, changed, difference, pairs=1000)
    told = [
        no_worse(won, lost, needed, 1.0).answer != "cannot tell"
        for _, won, lost, _ in pairs.tolist()
    ]
    assert 0.72 < np.mean(told) < 0.88


def test_a_difference_of_just_the_margin_is_never_told() -> None:
    found = no_worse(0, 50, 5000, 1.0)
    assert (found.answer, found.needed_images) == ("cannot tell", None)
