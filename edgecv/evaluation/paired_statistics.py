"""All that two sets of predictions of the same images say of each other."""

from edgecv.core.paired_results import Calibration, PairedStatistics
from edgecv.core.records import Labels, Predictions
from edgecv.evaluation.calibration_error import calibration_error
from edgecv.evaluation.changed_answers import flips
from edgecv.evaluation.per_class import class_differences, confusion_changes
from edgecv.evaluation.significance import paired_accuracy

DEFAULT_MARGIN_POINTS = 1.0


def paired_statistics(
    predictions: Predictions,
    baseline: Predictions,
    labels: Labels | None,
    margin_points: float = DEFAULT_MARGIN_POINTS,
) -> PairedStatistics:
    """Compare a candidate's predictions with the baseline's: (N, K), (N, K), (N,).

    ``labels`` are None where they are not known: then the flips are all that is.
    """
    changed = flips(predictions, baseline, labels)
    if labels is None:
        return PairedStatistics(changed)
    answers, before = predictions.argmax(axis=1), baseline.argmax(axis=1)
    return PairedStatistics(
        flips=changed,
        accuracy=paired_accuracy(answers == labels, before == labels, margin_points),
        classes=class_differences(answers, before, labels),
        calibration=Calibration(
            baseline=calibration_error(baseline, labels),
            candidate=calibration_error(predictions, labels),
        ),
        confusion=confusion_changes(answers, before, labels, predictions.shape[1]),
    )
