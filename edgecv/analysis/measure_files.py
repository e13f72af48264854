"""The files of a validation, grouped by the size of the images that they take, and measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecv.analysis.validate_request import ValidationRequest
from edgecv.core.errors import InputError, RuntimeFailure
from edgecv.core.input_spec import InputSpec
from edgecv.core.plugins import Task
from edgecv.core.preprocessing import Preprocessing
from edgecv.core.records import (
    PRECISION_NOT_KNOWN,
    Comparison,
    Dataset,
    Images,
    Measurement,
    Predictions,
    Shape,
)
from edgecv.datasets.class_order import in_order_of
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.load_data import load_data
from edgecv.pipeline.measure import MeasuredFile, MeasurementPool
from edgecv.pipeline.preprocessing_hints import accuracies_text, is_near_chance, with_each_choice
from edgecv.pipeline.recipe.recipe import check_limits


@dataclass(frozen=True)
class SizeGroup:
    """Files that take images of one size, and the data at that size."""

    files: tuple[MeasuredFile, ...]
    data: Dataset


def group_by_size(
    request: ValidationRequest, context: AnalysisContext
) -> tuple[list[SizeGroup], dict[str, str]]:
    """Group files by the size of their images; also return path -> reason of those left out.

    With a baseline, only files of its image size are compared. Raises RuntimeFailure if no file
    can be opened.
    """
    sizes, failures = _sizes(request, context.measurements)
    groups = [
        SizeGroup(tuple(files), _load(request, size, context)) for size, files in sizes.items()
    ]
    return groups, failures


def _sizes(
    request: ValidationRequest, pool: MeasurementPool
) -> tuple[dict[Shape, list[MeasuredFile]], dict[str, str]]:
    sizes: dict[Shape, list[MeasuredFile]] = {}
    failures: dict[str, str] = {}
    for file in request.files:
        try:
            sizes.setdefault(_image_shape(file.path, file.input_spec, pool), []).append(file)
        except RuntimeFailure as failure:
            failures[file.artifact.path] = failure.reason
    if not sizes:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in failures.items())
        raise RuntimeFailure("validate", f"no file could be opened: {reasons}")
    if request.baseline is None:
        return sizes, failures
    shape = _image_shape(request.baseline, request.baseline_input, pool)
    for found, files in sizes.items():
        if found != shape:
            reason = f"takes images of {_shape_text(found)}, the others of {_shape_text(shape)}"
            failures |= {file.artifact.path: reason for file in files}
    return {shape: sizes.get(shape, [])}, failures


def _image_shape(path: Path, input_spec: InputSpec, pool: MeasurementPool) -> Shape:
    return pool.open(runtime_of_file(path).name, path, input_spec).image


def _shape_text(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _load(request: ValidationRequest, size: Shape, context: AnalysisContext) -> Dataset:
    assert request.source is not None
    data = load_data(request.source, size, context)
    if request.labels is not None:
        data = in_order_of(data, len(request.labels), request.labels)
    if request.test_sha256 not in (None, data.test.sha256):
        raise InputError(
            data.name,
            "holds other test images than those that the run was proven on",
            remedy="give --data to measure on these all the same",
        )
    check_limits(data, request.limits, "--data")
    return data


def measure_groups(
    groups: Sequence[SizeGroup], context: AnalysisContext, *, timed: bool
) -> tuple[list[Measurement], dict[str, str]]:
    """Measure each file on images of the size that it takes: see ``MeasurementPool.measure``."""
    measurements: list[Measurement] = []
    failures: dict[str, str] = {}
    for group in groups:
        images = group.data.test.images
        found, failed = context.measurements.measure(group.files, images, timed=timed)
        measurements += found
        failures |= failed
    return measurements, failures


def preprocessing_notes(
    groups: Sequence[SizeGroup],
    comparisons: Sequence[Comparison],
    task: Task,
    context: AnalysisContext,
) -> tuple[str, ...]:
    """Return a note with the accuracy of each preprocessing for each file near chance."""
    places = {file.artifact.path: (file, group.data) for group in groups for file in group.files}
    notes = []
    for each in comparisons:
        file, data = places[each.artifact.path]
        is_foreign = each.artifact.precision == PRECISION_NOT_KNOWN
        if not is_foreign or each.value is None or not is_near_chance(each.value, data, task):
            continue
        context.emit("evaluate", f"other pixels through {file.path}, which is near chance")

        def predict(
            images: Images,
            choice: Preprocessing,
            file: MeasuredFile = file,
            runtime: str = each.runtime,
        ) -> Predictions:
            input_spec = file.input_spec.model_copy(update={"preprocess": choice})
            return context.measurements.predict(runtime, file.path, images, input_spec)

        accuracies = accuracies_text(with_each_choice(predict, data, task), data)
        notes.append(f"{each.artifact.path} is hardly better than guessing; {accuracies}")
        context.emit("note", notes[-1])
    return tuple(notes)
