"""Gate on the ranges of a file: which images set them, and whether test images go beyond."""

from collections.abc import Sequence

from edgecv.analysis.reference_check.calibration_ranges import (
    ONE_TEST,
    USUAL_CALIBRATION,
    Beyond,
    OneClass,
    Traced,
    judge_classes,
    judge_fit,
    trace,
)
from edgecv.analysis.reference_check.layer_structure import PairedPoint
from edgecv.analysis.reference_check.quantization_rules import FIXED, PROBABILITIES
from edgecv.analysis.reference_check.twin_ranges import ReferenceRanges
from edgecv.core.data import Dataset, Targets
from edgecv.core.report import Gate
from edgecv.core.text import counted

FEWEST_TEST_TRACES = 2


def bounds_of(points: Sequence[PairedPoint]) -> list[PairedPoint]:
    """Return the points whose ranges calibration images have set."""
    return [
        each
        for each in points
        if each.own.steps is not None
        and each.own.type not in FIXED
        and each.own.type.upper() not in PROBABILITIES
    ]


def has_classes(labels: Targets, data: Dataset) -> bool:
    """Return True for the one class of each image: boxes, maps and numbers are no classes."""
    return data.has_labels and labels.ndim == 1 and labels.dtype.kind in "iu"


def judge_ranges(
    path: str, data: Dataset, bounds: Sequence[PairedPoint], ranges: ReferenceRanges
) -> tuple[list[Gate], list[str]]:
    """Return the gate on the ranges of a file, and sentences for the report."""
    traced, one_class = Traced((), ()), None
    notes = []
    if ranges.train is not None:
        traced = trace(bounds, ranges.train)
        if has_classes(ranges.labels, data):
            is_all = len(ranges.labels) == ranges.of
            one_class = judge_classes(bounds, traced, ranges.train, ranges.labels, is_all=is_all)
    at_test = trace(bounds, ranges.test)
    if len(at_test.images) >= max(FEWEST_TEST_TRACES, 1 + len(traced.images)):
        notes.append(
            f"{path} was calibrated on test images: {len(at_test.images)} of its ranges were set by"
            " them, so that its accuracy is flattered"
        )
    size = min(USUAL_CALIBRATION, len(data.calibration)) or USUAL_CALIBRATION
    beyond = judge_fit(bounds, ranges.test, size)
    seen = f"{len(ranges.labels):,} of {ranges.of:,} training images were run"
    return _gates(path, data, traced, one_class, beyond, seen), notes


def _gates(
    path: str,
    data: Dataset,
    traced: Traced,
    one_class: OneClass | None,
    beyond: Beyond | None,
    seen: str,
) -> list[Gate]:
    if one_class is not None and one_class.p_value < ONE_TEST:
        named = data.class_names[one_class.label]
        all_of = "all" if one_class.of_class == one_class.images else f"{one_class.of_class}"
        reason = (
            f"its ranges were set by {counted(one_class.images, 'image')}, {all_of} of class"
            f" {named}: it was"
            " calibrated on one class; calibrate on images of all classes"
        )
        return [Gate("ranges", path, ONE_TEST, one_class.p_value, "failed", reason)]
    if beyond is not None and beyond.p_value < ONE_TEST:
        reason = (
            f"{beyond.images:,} of {beyond.of:,} test images go beyond the range of {beyond.name}:"
        )
        if traced.images:
            reason += " it was calibrated on too few images, or on others; calibrate it again"
            return [Gate("ranges", path, ONE_TEST, beyond.p_value, "failed", reason)]
        reason += (
            " it was calibrated on too few images, or on others, or its ranges were cut on purpose"
        )
        return [Gate("ranges", path, ONE_TEST, beyond.p_value, "inconclusive", reason)]
    tested = [each.p_value for each in (one_class, beyond) if each is not None]
    if not tested:
        return []
    found = (
        f"{len(traced.images)} of its ranges were traced to"
        f" {counted(len(set(traced.images)), 'image')}"
    )
    reason = f"{found}; {seen}"
    return [Gate("ranges", path, ONE_TEST, min(tested), "passed", reason)]
