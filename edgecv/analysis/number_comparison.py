"""Files of any inputs and outputs beside a baseline, compared number by number."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgecv.analysis.validate_request import ValidationRequest
from edgecv.core.errors import InputError, RuntimeFailure
from edgecv.core.plugins import Task
from edgecv.core.preprocessing import Preprocessing, affine_of
from edgecv.core.records import (
    Baseline,
    Comparison,
    DataFacts,
    FileEnds,
    Images,
    Outputs,
    Predictions,
    Report,
    SplitFacts,
    TensorFacts,
)
from edgecv.core.registry import DATASETS
from edgecv.core.sample import sample_rows
from edgecv.evaluation.gates import verdict
from edgecv.evaluation.output_differences import output_differences, unjudged
from edgecv.evaluation.task_of import default_task
from edgecv.formats.declared_inputs import random_reals
from edgecv.formats.image_axes import image_axes
from edgecv.formats.image_input import preprocessing_of
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.load_data import load_data
from edgecv.pipeline.measure import MeasuredFile
from edgecv.pipeline.run_report import judge
from edgecv.system.environment import environment

SAMPLES = 32
METRIC = "outputs"
IMAGE_AXES = 4
CHANNELS_FIRST, CHANNELS_LAST = (0, 1, 4, 2, 3), (0, 1, 3, 4, 2)
"""Axes of samples (N, 1, H, W, C) in the other order of channels."""

Samples = list[Predictions]
"""One array an input: float32 (N, shape of the input)."""


def compare_numbers(request: ValidationRequest, context: AnalysisContext) -> Report:
    """Run files and baseline on the same samples, and compare each output.

    The samples are images of the data, for files that take one image, and else random values of the
    declared inputs. Raises InputError without a baseline, or where it cannot be run.
    """
    if request.baseline is None:
        raise InputError(
            "--baseline",
            "is missing: the files are no classifiers, so their numbers need others beside them",
            remedy="give the file that they were made of, or its float32 twin, as --baseline",
        )
    pool, where = context.measurements, str(request.baseline)
    runtime = runtime_of_file(request.baseline).name
    try:
        true = pool.evaluator(runtime).ends(request.baseline, request.baseline_input)
        samples, facts = _samples(request, true, context)
        context.emit("evaluate", f"{_said(facts)} through {where}, the baseline")
        reference = pool.evaluator(runtime).answers(
            request.baseline, samples, true, request.baseline_input
        )
    except RuntimeFailure as failure:
        raise InputError(where, failure.found, accepted=failure.accepted) from None
    comparisons, failures = [], {}
    for number, file in enumerate(request.files, start=1):
        path = file.artifact.path
        context.emit("evaluate", f"{_said(facts)} through {path}", number, len(request.files))
        worker = pool.evaluator(runtime_of_file(file.path).name)
        try:
            ends = worker.ends(file.path, file.input_spec)
            given = _in_order_of(ends, samples, true)
            outputs = worker.answers(file.path, given, ends, file.input_spec)
            comparisons.append(_comparison(file, ends, outputs, reference))
        except RuntimeFailure as failure:
            failures[path] = failure.reason
        except ValueError as error:
            failures[path] = str(error)
    return number_report(request, comparisons, failures, facts, default_task())


def number_report(
    request: ValidationRequest,
    comparisons: Sequence[Comparison],
    failures: Mapping[str, str],
    facts: DataFacts,
    task: Task,
) -> Report:
    """Return the report of outputs that were compared by numbers alone."""
    gates = judge(comparisons, failures, comparisons, request.limits, task, ())
    gates += [
        unjudged(each.artifact.path, each.output_differences, _said(facts)) for each in comparisons
    ]
    data = None if request.source is None else DATASETS.table(request.source)
    return Report(
        name="validate",
        recipe={"seed": request.settings.seed, **({} if data is None else {"data": data})},
        environment=environment(),
        outcome=verdict(gates),
        data=facts,
        baseline=Baseline(str(request.baseline), request.parameters, METRIC, None),
        comparisons=tuple(comparisons),
        gates=tuple(gates),
        notes=request.trust.notes(),
    )


def with_differences(comparison: Comparison, outputs: Outputs, reference: Outputs) -> Comparison:
    """Return a comparison with nothing but its numbers: no metric, no agreement of answers.

    Raises ValueError where the outputs cannot be compared.
    """
    found = output_differences(outputs, reference)
    return replace(
        comparison,
        metric=METRIC,
        value=None,
        baseline_value=None,
        difference_points=None,
        agreement=None,
        max_probability_difference=None,
        mean_probability_difference=None,
        statistics=None,
        further_metrics=(),
        output_differences=found,
    )


def _comparison(
    file: MeasuredFile, ends: FileEnds, outputs: Outputs, reference: Outputs
) -> Comparison:
    bare = Comparison(
        artifact=file.artifact,
        runtime=runtime_of_file(file.path).name,
        is_twin=False,
        metric=METRIC,
        value=None,
        baseline_value=None,
        difference_points=None,
        agreement=None,
        max_probability_difference=None,
        size_ratio=None,
        speedup=None,
        speedup_interval=None,
        latency=None,
        input=ends.inputs[0],
        output=ends.outputs[0],
    )
    return with_differences(bare, outputs, reference)


def _samples(
    request: ValidationRequest, ends: FileEnds, context: AnalysisContext
) -> tuple[Samples, DataFacts]:
    """Return one array an input of the baseline, and what the samples are."""
    if request.source is not None:
        return _image_samples(request, ends, context)
    generator = np.random.default_rng(request.settings.seed)
    quantized = _quantized_inputs(request, ends, context)
    samples = [
        random_reals(each, SAMPLES, generator, request.baseline_input).astype(np.float32)
        for each in quantized
    ]
    digest = hashlib.sha256(b"".join(each.tobytes() for each in samples)).hexdigest()
    return samples, DataFacts(
        "random values", (), {"test": SplitFacts(SAMPLES, digest)}, has_labels=False
    )


def _quantized_inputs(
    request: ValidationRequest, ends: FileEnds, context: AnalysisContext
) -> list[TensorFacts]:
    """Return the baseline's inputs with the range of a file's, where only that is quantized."""
    found = list(ends.inputs)
    for file in request.files:
        worker = context.measurements.evaluator(runtime_of_file(file.path).name)
        try:
            own = worker.ends(file.path, file.input_spec).inputs
        except RuntimeFailure:
            continue  # It is a failure of its own when it is run.
        if len(own) != len(found):
            continue
        for place, tensor in enumerate(own):
            if found[place].scale is None and tensor.scale is not None:
                found[place] = replace(tensor, shape=found[place].shape)
    return found


def _image_samples(
    request: ValidationRequest, ends: FileEnds, context: AnalysisContext
) -> tuple[Samples, DataFacts]:
    """Return images of the data as the baseline's only input takes them."""
    assert request.source is not None
    assert request.baseline is not None
    if len(ends.inputs) != 1:
        raise InputError(
            "--data",
            f"holds images, and {request.baseline} takes {len(ends.inputs)} inputs",
            remedy="leave --data out: random values of the declared inputs are taken",
        )
    (tensor,) = _quantized_inputs(request, ends, context)
    axes = image_axes(request.baseline, tensor, request.baseline_input)
    choice, _ = preprocessing_of(request.baseline, tensor, request.baseline_input, axes.image[2])
    data = load_data(request.source, axes.image, context)
    images = data.test.images[sample_rows(len(data.test), SAMPLES)]
    missing = [letter for letter in "NHWC" if letter not in axes.order]
    places = ["NHWC".index(letter) + 1 for letter in (*axes.order, *missing)]
    samples = _reals(images, choice)[:, None].transpose(0, *places)
    samples = samples.reshape(len(images), *axes.shape(1))
    facts = DataFacts(
        data.name, (), {"test": SplitFacts(len(images), data.test.sha256)}, data.notes, False
    )
    return [samples], facts


def _reals(images: Images, choice: Preprocessing) -> Predictions:
    """Return images, uint8 (N, H, W, C), as the numbers that a network takes: float32."""
    scale, offset, order = affine_of(choice, images.shape[3], "--preprocess")
    reals: Predictions = (images[..., order] * scale + offset).astype(np.float32)
    return reals


def _in_order_of(ends: FileEnds, samples: Samples, reference: FileEnds) -> Samples:
    """Return the samples in a file's order of axes. Raises ValueError where they do not fit."""
    if len(ends.inputs) != len(samples):
        raise ValueError(
            f"takes {len(ends.inputs)} inputs, the baseline takes {len(reference.inputs)}"
        )
    return [_turned(tensor, each) for tensor, each in zip(ends.inputs, samples, strict=True)]


def _turned(tensor: TensorFacts, values: Predictions) -> Predictions:
    if values.shape[1:] == tensor.shape:
        return values
    if values.ndim == IMAGE_AXES + 1:
        for axes in (CHANNELS_FIRST, CHANNELS_LAST):
            if tuple(values.shape[axis] for axis in axes[1:]) == tensor.shape:
                return values.transpose(axes)
    raise ValueError(
        f'its input "{tensor.name}" has the shape {list(tensor.shape)}, the baseline\'s'
        f" {list(values.shape[1:])}"
    )


def _said(facts: DataFacts) -> str:
    count = facts.splits["test"].images
    return f"{count} samples of {facts.name}"


def any_ends(files: Sequence[MeasuredFile], context: AnalysisContext) -> bool:
    """Return True if no file takes an image and gives one row, and one can be run all the same."""
    pool, can_run = context.measurements, False
    for file in files:
        runtime = runtime_of_file(file.path)
        try:
            pool.open(runtime.name, file.path, file.input_spec)
        except RuntimeFailure:
            can_run = can_run or _has_ends(file, context)
        else:
            return False
    return can_run


def _has_ends(file: MeasuredFile, context: AnalysisContext) -> bool:
    worker = context.measurements.evaluator(runtime_of_file(file.path).name)
    try:
        worker.ends(file.path, file.input_spec)
    except RuntimeFailure:
        return False
    return True
