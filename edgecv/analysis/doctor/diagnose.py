"""The diagnosis of one file: structure, execution, layers and kernels, each in a child process."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edgecv.analysis.described_files import single_file
from edgecv.analysis.doctor.checks import check_options, check_paths, more_precise
from edgecv.analysis.doctor.compared_layers import (
    compared_layers,
    left_layers,
    nothing_in_common,
    other_weights,
)
from edgecv.analysis.doctor.execution import (
    delegate_findings,
    operator_times,
    processor_finding,
    profile_findings,
)
from edgecv.analysis.doctor.kernel_parity import compare_kernels, parity_findings
from edgecv.analysis.doctor.layer_errors import layer_errors, layer_findings
from edgecv.analysis.doctor.output_errors import Answers, output_findings
from edgecv.analysis.doctor.records import Diagnosis, Finding, LayerError, worst_first
from edgecv.analysis.doctor.run_files import check_input, examined_file, read_models
from edgecv.analysis.doctor.slow_files import speed_findings
from edgecv.analysis.doctor.structure import structural_findings
from edgecv.analysis.inspection.read_file import inspect
from edgecv.analysis.options import DoctorOptions
from edgecv.analysis.preprocessing import PreprocessingSearch, ReadModels
from edgecv.analysis.reference_check.twin import Twin, export_twin
from edgecv.analysis.validate_request import read_as
from edgecv.core.artifact import ExecutedOperator, SessionFacts
from edgecv.core.data import Dataset, Images
from edgecv.core.errors import InputError, RuntimeFailure
from edgecv.core.input_spec import InputSpec
from edgecv.core.output_shape import OutputShape
from edgecv.core.plugins import Task
from edgecv.core.registry import TASKS
from edgecv.core.report import Report
from edgecv.core.sample import sample_rows
from edgecv.core.text import counted
from edgecv.evaluation.task_of import COMPARED, task_of, usual_task
from edgecv.formats.contents import Contents
from edgecv.formats.lookup import runtime_of_file
from edgecv.formats.tflite.interpreter import USUAL_KERNELS
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.load_data import load_data
from edgecv.pipeline.measure import MeasuredFile
from edgecv.pipeline.task_choice import choose_task
from edgecv.system.isolation import ModelClient

MOST_IMAGES = 16
IMAGE_SIDES = 4
MOST_BYTES = 2**28
"""Limit on all activations of one file in bytes: large activations mean fewer images."""


def diagnose(options: DoctorOptions, context: AnalysisContext) -> tuple[DoctorOptions, Diagnosis]:
    """Find the causes that make a file slow or wrong; also return the options of its run.

    Raises InputError for a file that is not a model, RuntimeFailure if no runtime can run it.
    """
    check_paths(options)
    is_given, has_own_data = options.baseline is not None, options.data is not None
    examined = examined_file(options)
    options = examined.options
    check_options(options, has_images=examined.source is not None)
    runtime = runtime_of_file(options.path)
    contents = inspect(options.path).contents
    spec = read_as(options.input_spec, examined.source)
    file = single_file(options.path, spec, examined.report)
    if spec != file.input_spec:
        check_input(options, file, examined.report)
    findings = [*examined.findings, *structural_findings(contents, options.path.name)]
    variant = {"kernels": options.kernels} if "kernels" in runtime.model_fields else {}
    layers: tuple[LayerError, ...] = ()
    parity, images = None, None
    reason = not_run(contents, has_data=examined.source is not None)
    if reason and examined.source is not None:
        raise InputError(str(options.path), reason, remedy="leave out --data: structure is read")
    if reason:
        findings.append(Finding("not-run", "note", "the whole file", reason))
        return options, Diagnosis(str(options.path), worst_first(findings), layers, parity)
    with (
        ModelClient(runtime.name, 1, log=context.log, options=variant) as worker,
        tempfile.TemporaryDirectory(prefix="edgecv-twin-") as folder,
    ):
        context.emit("doctor", f"running {options.path}")
        facts = worker.open(file.path, file.input_spec)
        shape = facts.image
        run = None if has_own_data else examined.report
        loaded = None if examined.source is None else load_data(examined.source, shape, context)
        task = _task(options, facts, run, loaded)
        pixels = np.random.default_rng(0).integers(0, 256, (1, *shape), dtype=np.uint8)
        operators = worker.executed(file.path, pixels, file.input_spec)
        findings += _execution_findings(file, operators, options.kernels, worker, contents, context)
        models: ReadModels | None = None
        if loaded is not None:
            data = task.of_task(loaded)
            models = read_models(options, file, examined.report)
            models, _ = PreprocessingSearch(data, task, context).settled(models)
            images, file = data.test.images, models.files[0]
        twin = None
        if options.baseline is not None:
            spec = models.baseline_input if models is not None else spec
            try:
                twin = _twin(options, Twin(options.baseline, spec), Path(folder))
            except RuntimeFailure as failure:
                if is_given:
                    raise
                reason = f"layers were not compared: {failure.reason}"
                findings.append(Finding("no-reference", "note", str(options.baseline), reason))
            if twin is not None and images is not None:
                few = images[sample_rows(len(images), _most_images(contents))]
                remedy = more_precise(options, runtime.format)
                layers, found = _layers(
                    file, options.baseline, twin, worker, few, task, context, remedy
                )
                findings += found
        quick = examined.twin or (None if twin is None else twin.path)
        if quick is not None and options.kernels == USUAL_KERNELS:
            findings += speed_findings(options, file, quick, contents, context)
    if images is not None and models is not None:
        parity = compare_kernels(models.files, images, task, context)
        is_named = isinstance(options.data, str)
        findings += parity_findings(parity, str(options.data) if is_named else "DATA")
    findings.append(processor_finding(contents))
    times = operator_times(operators)
    ordered = worst_first(findings)
    return options, Diagnosis(str(options.path), ordered, layers, parity, operators=times)


def _task(
    options: DoctorOptions, facts: SessionFacts, run: Report | None, data: Dataset | None
) -> Task:
    """Return the task that is given, that of the run, or the one that data and outputs show.

    Outputs that show none are compared one by one.
    """
    pairs = zip(facts.outputs, facts.answers, strict=True)
    shapes = [OutputShape(name=each.name, shape=shape) for each, shape in pairs]
    given = options.parsed_task() or (None if run is None else task_of(run))
    if given is not None:
        return given.for_outputs(shapes, str(options.path))
    if len(shapes) == 1:
        return usual_task(facts.answers)
    if data is not None and data.has_labels:
        found, _ = choose_task(data, facts.answers, "numbers", str(options.path), shapes)
        if not found.compares_numbers:
            return found
    return TASKS.parse([{"output": each.name, **COMPARED} for each in shapes], str(options.path))


def not_run(contents: Contents, *, has_data: bool) -> str:
    """Return the reason for which a file's structure alone is read; empty if it can be run.

    Windows of numbers, without channels, are run with data of their shape.
    """
    if len(contents.inputs) != 1:
        count = counted(len(contents.inputs), "input")
        return f"it has {count}, and is not run: its structure was read"
    image = contents.inputs[0]
    sides = (IMAGE_SIDES - 1, IMAGE_SIDES) if has_data else (IMAGE_SIDES,)
    if image.has_shape and len(image.shape) not in sides:
        return f"it takes {list(image.shape)} and no image, and is not run: its structure was read"
    return ""


def _execution_findings(
    file: MeasuredFile,
    operators: Sequence[ExecutedOperator],
    kernels: str,
    worker: ModelClient,
    contents: Contents,
    context: AnalysisContext,
) -> Iterator[Finding]:
    if not runtime_of_file(file.path).has_delegate:
        yield from profile_findings(operators, contents)
        return
    slower = ""
    if not any(each.is_delegated for each in operators) and kernels != "xnnpack":
        own_s = worker.warm_up_random(file.path, input_spec=file.input_spec).median_s
        with ModelClient(worker.runtime, 1, log=context.log) as usual:
            usual_s = usual.warm_up_random(file.path, input_spec=file.input_spec).median_s
        slower = f"; {own_s * 1e6:,.0f} us a run, and {usual_s * 1e6:,.0f} with XNNPACK"
    yield from delegate_findings(operators, contents, kernels, slower)


def _most_images(contents: Contents) -> int:
    """Return the number of images whose activations fit into ``MOST_BYTES``."""
    elements = sum(
        int(np.prod([abs(side) for side in each.output_shape or ()], dtype=np.int64))
        for each in contents.operators
    )
    return max(1, min(MOST_IMAGES, MOST_BYTES // (4 * max(1, elements))))


def _layers(
    file: MeasuredFile,
    baseline: Path,
    twin: Twin,
    worker: ModelClient,
    images: Images,
    task: Task,
    context: AnalysisContext,
    remedy: str,
) -> tuple[tuple[LayerError, ...], list[Finding]]:
    """Compare the output of every layer with the baseline's, if its weights are the baseline's."""
    context.emit("doctor", f"{len(images)} images through every layer, beside {baseline}")
    own = worker.activations(file.path, images, file.input_spec)
    stored = worker.stored(file.path, file.input_spec)
    # In another child: the file may have damaged the memory of its own.
    with ModelClient(runtime_of_file(twin.path).name, 1) as other:
        true = other.activations(twin.path, images, twin.input_spec)
        reference = other.stored(twin.path, twin.input_spec)
        wanted = _answers(other, twin.path, images, twin.input_spec)
    outputs = _answers(worker, file.path, images, file.input_spec)
    found = [*output_findings(outputs, wanted, task, str(file.path))]
    compared = compared_layers(stored, reference, twin.names)
    if compared.is_other_model:
        return (), [other_weights(file.path, compared), *found]
    errors = layer_errors(own, true, compared.pairs)
    if not errors:
        found.append(nothing_in_common(baseline))
    return errors, [*found, *layer_findings(errors, remedy), *left_layers(compared)]


def _answers(worker: ModelClient, path: Path, images: Images, spec: InputSpec) -> Answers:
    """Return the outputs for images, and the scale of each."""
    facts = worker.open(path, spec)
    return worker.predict(path, images, input_spec=spec), facts.scales


def _twin(options: DoctorOptions, baseline: Twin, folder: Path) -> Twin:
    """Return the float32 file of the baseline: itself, or one that is exported from it."""
    file_format = runtime_of_file(options.path).format
    if runtime_of_file(baseline.path).format == file_format:
        return baseline
    return export_twin(baseline.path, file_format, folder, input_spec=baseline.input_spec)
