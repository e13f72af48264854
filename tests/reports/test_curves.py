"""Curves of a training: the line at the epoch that was kept."""

from typing import Any

import pytest

from edgecv.core.report import TrainingCurve
from edgecv.reports.curves import kept_epoch

pytestmark = pytest.mark.quick


def curve(*scores: float, settled: int = 0) -> TrainingCurve:
    """Return epochs of which the first do not count."""
    rows: list[dict[str, Any]] = [
        {"epoch": number, "validation_accuracy": score, "settled": number > settled}
        for number, score in enumerate(scores, start=1)
    ]
    return TrainingCurve("prune", tuple(rows))


def test_the_line_is_at_the_settled_epoch_that_is_best() -> None:
    """Less is pruned in the first part of a training: it scores best, and is never kept."""
    assert kept_epoch(curve(0.9, 0.8, 0.7, settled=1), "validation_accuracy") == 2
    assert kept_epoch(curve(0.9, 0.8, 0.9), "validation_accuracy") == 3


def test_epochs_of_an_earlier_version_say_nothing_and_count() -> None:
    rows = [{"epoch": 1, "validation_accuracy": 0.5}, {"epoch": 2, "validation_accuracy": 0.4}]
    assert kept_epoch(TrainingCurve("baseline", tuple(rows)), "validation_accuracy") == 1
