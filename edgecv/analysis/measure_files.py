"""The files of a validation, grouped by the size of the images that they take, and measured."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgecv.analysis.validate_request import ValidationRequest
from edgecv.core.comparison import Measurement
from edgecv.core.data import Dataset, Shape
from edgecv.core.errors import InputError, RuntimeFailure, failure_of_all
from edgecv.core.input_spec import InputSpec
from edgecv.core.plugins import Task
from edgecv.datasets.splits import sampled
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.load_data import load_data
from edgecv.pipeline.measure import MeasuredFile, MeasurementPool
from edgecv.pipeline.recipe.checks import check_limits
from edgecv.pipeline.task_choice import check_takes_names


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
    causes: list[RuntimeFailure] = []
    for file in request.files:
        try:
            sizes.setdefault(_image_shape(file.path, file.input_spec, pool), []).append(file)
        except RuntimeFailure as failure:
            failures[file.artifact.path] = failure.reason
            causes.append(failure)
    if not sizes:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in failures.items())
        raise failure_of_all("validate", f"no file could be opened: {reasons}", causes)
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
    data = load_data(request.source, size, context, for_brought=True)
    check_limits(data, request.limits, "--data")
    return data


def fitted_data(request: ValidationRequest, group: SizeGroup, task: Task) -> Dataset:
    """Return the data of a group with the targets of a task, in the order of the given names.

    Raises InputError where the names do not match, and for other test images than those of a run.
    """
    data = task.of_task(group.data)
    if request.labels is not None and not any(h.task.compares_numbers for h in task.heads()):
        check_takes_names(task)
        where = group.files[0].artifact.path if group.files else data.name
        data = task.fit_data(data, len(request.labels), request.labels, where)
    if request.test_sha256 not in (None, data.test.sha256):
        raise InputError(
            data.name,
            "holds other test images than those that the run was proven on",
            remedy="give --data to measure on these all the same",
        )
    return (
        data if request.images is None else replace(data, test=sampled(data.test, request.images))
    )


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
