"""Samples of a split whose rows lie in the order of their classes."""

import numpy as np
import pytest

from edgecv.core.sample import proportional_rows, sample_rows


def test_a_sample_has_every_class_of_an_ordered_set_in_its_share() -> None:
    labels = np.repeat([0, 1], [300, 700])
    chosen = labels[sample_rows(len(labels), 200)]
    assert np.bincount(chosen).tolist() == [60, 140]
    first = labels[sample_rows(len(labels), 200)[:40]]
    assert 0.1 < np.mean(first == 0) < 0.5, "its first rows are a sample too"


@pytest.mark.parametrize(("count", "most"), [(0, 5), (1, 5), (5, 5), (7, 5), (5, 0), (10_007, 200)])
def test_no_row_is_drawn_twice_and_none_is_missing(count: int, most: int) -> None:
    rows = sample_rows(count, most)
    assert len(np.unique(rows)) == len(rows) == min(count, most)
    assert not len(rows) or (rows.min() >= 0 and rows.max() < count)


def test_the_same_seed_draws_the_same_rows() -> None:
    assert sample_rows(1000, 10).tolist() == sample_rows(1000, 10).tolist()
    assert sample_rows(1000, 10).tolist() != sample_rows(1000, 10, seed=1).tolist()


def test_a_part_of_an_unbalanced_set_has_its_shares_and_its_size() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [600, 360, 40]))
    rows = proportional_rows(labels, 250)
    assert len(np.unique(rows)) == 250
    assert np.abs(np.bincount(labels[rows]) - [150, 90, 10]).max() <= 1
    boxes = np.zeros((1000, 4), np.float32)
    assert len(proportional_rows(boxes, 250)) == 250
