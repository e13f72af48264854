"""The answers of a classifier by class, and its calibration."""

import numpy as np

from edgecv.core.class_results import ClassResult, ClassResults, ReliabilityBin
from edgecv.core.data import Labels, Predictions
from edgecv.evaluation.class_cells import most_confused
from edgecv.evaluation.tasks.classification.calibration_error import (
    calibration_bins,
    calibration_error,
)
from edgecv.evaluation.tasks.classification.per_class import wrong_cells


def class_results(predictions: Predictions, labels: Labels) -> ClassResults:
    """Return the answers by class: (N, K), (N,)."""
    answers, classes = predictions.argmax(axis=1), predictions.shape[1]
    wanted, given, right = (
        np.bincount(each, minlength=classes).tolist()
        for each in (labels, answers, labels[answers == labels])
    )
    cells = wrong_cells(answers, labels, classes)
    return ClassResults(
        classes=tuple(
            ClassResult(label, wanted[label], given[label], right[label])
            for label in range(classes)
        ),
        confusion=most_confused(cells, classes),
        wrong_cells=len(cells),
        calibration_error=calibration_error(predictions, labels),
        reliability=_reliability(predictions, labels),
    )


def _reliability(predictions: Predictions, labels: Labels) -> tuple[ReliabilityBin, ...]:
    confidence, right, bins = calibration_bins(predictions, labels)
    return tuple(
        ReliabilityBin(
            float(confidence[bins == each].mean()),
            float(right[bins == each].mean()),
            int((bins == each).sum()),
        )
        for each in np.unique(bins)
    )
