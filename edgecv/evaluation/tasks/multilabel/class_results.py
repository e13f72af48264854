"""The answers of a model label by label."""

import numpy as np
from numpy.typing import NDArray

from edgecv.core.class_results import ClassResults
from edgecv.core.data import Predictions
from edgecv.evaluation.class_cells import scored_classes
from edgecv.evaluation.tasks.multilabel.average_precision import average_precisions

Labels = NDArray[np.bool_]
"""Labels of each image: bool (N, K)."""


def class_results(probabilities: Predictions, given: Labels, wanted: Labels) -> ClassResults:
    """Return images, answers and average precision of each label."""
    wants, gives, right = (each.sum(axis=0) for each in (wanted, given, given & wanted))
    scores = average_precisions(probabilities, wanted)(np.arange(len(wanted)))
    return ClassResults(
        classes=scored_classes(wants, gives, right, scores),
        confusion=(),
        wrong_cells=None,
        metric="AP",
    )
