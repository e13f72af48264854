"""The outputs of measured files as their task takes them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edgecv.analysis.validate_request import ValidationRequest
from edgecv.core.comparison import Measurement
from edgecv.core.data import Dataset, Outputs
from edgecv.core.errors import InputError
from edgecv.core.input_spec import InputSpec
from edgecv.core.plugins import Task, TaskHead
from edgecv.evaluation.control import ControlOutputs
from edgecv.evaluation.output_counts import count_numbers, mismatch
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.measure import MeasuredFile

RawOutputs = tuple[Outputs, dict[str, float | None]]
"""Outputs as a runtime gives them, and the scale of each."""


@dataclass(frozen=True)
class ValidationArrays:
    """The arrays behind a report, for a comparison with another run."""

    data: Dataset
    task: Task
    baseline: Outputs | None
    outputs: Mapping[str, Outputs]
    """Outputs of each artifact that was compared, by its path in the report."""

    def of_head(self, head: TaskHead) -> "ValidationArrays":
        """Return the arrays of one head of the model."""
        baseline = None if self.baseline is None else head.of(self.baseline)
        outputs = {path: head.of(each) for path, each in self.outputs.items()}
        control = None if self.control is None else self.control.of_head(head)
        data = head.data(self.data)
        return ValidationArrays(
            data, head.task, baseline, outputs, control=control, asked_twins=self.asked_twins
        )

    files: tuple[MeasuredFile, ...] = ()
    """The files, with the preprocessing that was found."""
    control: ControlOutputs | None = None
    """None where the run has no control."""
    reference: tuple[Path, InputSpec] | None = None
    """The baseline's file, and how it is read; None where there is none."""
    asked_twins: frozenset[str] = frozenset()
    """The float32 twins that limits are for too: see ``ValidationRequest``."""


def tell_answers(raw: RawOutputs | None, measurements: Sequence[Measurement], task: Task) -> bool:
    """Return True if a file, or the baseline, gives answers as the task takes them."""
    found = [] if raw is None else [raw]
    found += [(each.outputs, each.facts.scales) for each in measurements]
    for outputs, scales in found:
        with suppress(ValueError):
            _, converted = task.normalized(outputs, scales)
            if not converted:
                return True
    return False


def normalized(request: ValidationRequest, raw: RawOutputs, data: Dataset, task: Task) -> Outputs:
    """Return the baseline's outputs as the task takes them."""
    outputs, scales = raw
    if other := mismatch(outputs, data, task):
        found, wanted = other
        raise InputError(
            str(request.baseline),
            found,
            accepted=f"{wanted}, as {data.name} has",
            remedy="" if request.labels else "--labels FILE names each output",
        )
    try:
        return task.normalized(outputs, scales)[0]
    except ValueError as error:
        raise InputError(
            str(request.baseline), str(error), remedy="end the model with a softmax"
        ) from None


def numbered(
    whole: Dataset, head: TaskHead, reference: Outputs | None, measurements: Sequence[Measurement]
) -> Dataset:
    """Return the data of a head; without names its classes are as many as most files have."""
    data = head.data(whole)
    seen = [each.outputs for each in measurements] if reference is None else [reference]
    if not seen or not head.task.ending or data.class_names:
        return data
    ((outputs, _),) = Counter(count_numbers(head.of(each)) for each in seen).most_common(1)
    return head.task.fit_data(data, outputs, None, data.name)


def usable_measurements(
    measurements: Sequence[Measurement], data: Dataset, task: Task, context: AnalysisContext
) -> tuple[list[Measurement], dict[str, str]]:
    """Return the comparable measurements, normalized, and path -> reason for the others."""
    usable, failures = [], {}
    for each in measurements:
        path = each.artifact.path
        if other := mismatch(each.outputs, data, task):
            failures[path] = f"{other[0]}, the data has {other[1]}"
            continue
        try:
            outputs, changes = task.normalized(each.outputs, each.facts.scales)
        except ValueError as error:
            failures[path] = str(error)
            continue
        notes = (*each.facts.notes, *changes)
        for note in notes:
            context.emit("note", f"{path}: {note}")
        artifact = replace(each.artifact, notes=(*each.artifact.notes, *notes))
        usable.append(replace(each, artifact=artifact, outputs=outputs))
    return usable, failures
