"""The diagnosis of one file: structure, execution, layers and kernels, each in a child process."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecv.analysis.doctor.execution import delegate_findings, processor_finding, profile_findings
from edgecv.analysis.doctor.kernel_parity import compare_kernels, parity_findings
from edgecv.analysis.doctor.layer_errors import blame_findings, layer_errors
from edgecv.analysis.doctor.records import Diagnosis, Finding, LayerError, worst_first
from edgecv.analysis.doctor.structure import structural_findings
from edgecv.analysis.inspection.read_file import inspect
from edgecv.analysis.reference_check.twin import export_twin
from edgecv.core.errors import InputError
from edgecv.core.files import check_regular
from edgecv.core.options import parse_options
from edgecv.core.plugins import DatasetSource
from edgecv.core.records import Images, OnEvent, Shape, ignore_event
from edgecv.core.registry import EXPORTERS
from edgecv.datasets.resolve import resolve
from edgecv.formats.contents import Contents
from edgecv.formats.lookup import device_suffixes, runtime_of_file
from edgecv.pipeline.context import AnalysisContext, open_analysis
from edgecv.pipeline.load_data import load_data
from edgecv.pipeline.recipe.parts import RunSettings
from edgecv.system.isolation import ModelClient

MOST_IMAGES = 16
MOST_BYTES = 2**28
"""Bytes of all activations of one file: fewer images are compared where these are large."""
MORE_BITS = {
    "int16x8": 'keep more bits: precision = "int16x8" under [[export]]',
    "float32": 'keep the file in float: precision = "float32" under [[export]]',
}
"""What helps a layer that is too coarse: the first that the format can be."""


@dataclass(frozen=True)
class DoctorRequest:
    """The file to examine, and what to compare it with."""

    path: Path
    baseline: Path | None = None
    data: str | DatasetSource | None = None
    beside: Path | None = None
    """Another file of the same model, to compare with this one."""
    kernels: str = "xnnpack"
    """Kernels of LiteRT that the file is opened with."""


def diagnose(
    request: DoctorRequest, on_event: OnEvent = ignore_event, log: Path | None = None
) -> Diagnosis:
    """Find what makes a file slow and what makes it wrong.

    Raises InputError for what is not a model, RuntimeFailure where no runtime runs it.
    """
    _check(request)
    with open_analysis(RunSettings(name="doctor"), on_event, log) as context:
        return _diagnose(request, context)


def _diagnose(request: DoctorRequest, context: AnalysisContext) -> Diagnosis:
    runtime = runtime_of_file(request.path)
    contents = inspect(request.path).contents
    findings = structural_findings(contents, request.path.name)
    options = {"kernels": request.kernels} if "kernels" in runtime.model_fields else {}
    layers: tuple[LayerError, ...] = ()
    with ModelClient(runtime.name, 1, log=context.log, options=options) as worker:
        context.emit("doctor", f"running {request.path}")
        shape = _image_shape(worker, request.path)
        pixels = np.random.default_rng(0).integers(0, 256, (1, *shape), dtype=np.uint8)
        findings += _execution_findings(request, worker, contents, pixels, context)
        images = None
        if request.data is not None:
            images = load_data(resolve(request.data), shape, context).test.images
        if request.baseline is not None and images is not None:
            few = images[: _most_images(contents)]
            layers = _layers(request, request.baseline, worker, few, context)
            findings += blame_findings(layers, _more_bits(contents.format))
    parity = None
    if images is not None:
        paths = [request.path, *([request.beside] if request.beside else [])]
        parity = compare_kernels(paths, images, context)
        findings += parity_findings(parity)
    findings.append(processor_finding(contents))
    return Diagnosis(str(request.path), worst_first(findings), layers, parity)


def _check(request: DoctorRequest) -> None:
    """Raise InputError where the request cannot be done: before anything is opened."""
    runtime, accepted = runtime_of_file(request.path), device_suffixes()
    if not runtime.runs_on_devices:
        raise InputError(
            str(request.path), "is not a file for a device", accepted=f"a file in {accepted}"
        )
    for flag, other in (("--baseline", request.baseline), ("--beside", request.beside)):
        if other is None:
            continue
        if request.data is None:
            raise InputError(flag, "needs images", remedy="give --data too")
        check_regular(other, flag)
        if not other.is_file():
            raise InputError(flag, f"there is no file {other}")
        if not (flag == "--baseline" or runtime_of_file(other).runs_on_devices):
            raise InputError(flag, f"{other} is not for a device", accepted=accepted)
    if "kernels" in runtime.model_fields:
        parse_options(runtime, {"kernels": request.kernels}, "--kernels")
    elif request.kernels != "xnnpack":
        raise InputError("--kernels", "is of .tflite files", remedy="leave it out")


def _more_bits(file_format: str) -> str:
    possible = EXPORTERS.get(file_format, "format").precisions
    return next(remedy for precision, remedy in MORE_BITS.items() if precision in possible)


def _image_shape(worker: ModelClient, path: Path) -> Shape:
    height, width, channels = worker.open(path).input.shape[1:]
    return height, width, channels


def _execution_findings(
    request: DoctorRequest,
    worker: ModelClient,
    contents: Contents,
    pixels: Images,
    context: AnalysisContext,
) -> Iterator[Finding]:
    operators = worker.executed(request.path, pixels)
    if not runtime_of_file(request.path).has_delegate:
        yield from profile_findings(operators, contents)
        return
    slower = ""
    if not any(each.is_delegated for each in operators) and request.kernels != "xnnpack":
        own_s = worker.warm_up(request.path, pixels)
        with ModelClient(worker.runtime, 1, log=context.log) as usual:
            usual_s = usual.warm_up(request.path, pixels)
        slower = f"; {own_s * 1e6:,.0f} us a run, and {usual_s * 1e6:,.0f} with XNNPACK"
    yield from delegate_findings(operators, contents, request.kernels, slower)


def _most_images(contents: Contents) -> int:
    """Return on how many images every activation of a file may be compared."""
    elements = sum(
        int(np.prod([abs(side) for side in each.output_shape or ()], dtype=np.int64))
        for each in contents.operators
    )
    return max(1, min(MOST_IMAGES, MOST_BYTES // (4 * max(1, elements))))


def _layers(
    request: DoctorRequest,
    baseline: Path,
    worker: ModelClient,
    images: Images,
    context: AnalysisContext,
) -> tuple[LayerError, ...]:
    """Compare the output of every layer with that of the baseline."""
    context.emit("doctor", f"{len(images)} images through every layer, beside {baseline}")
    own = worker.activations(request.path, images)
    file_format = runtime_of_file(request.path).format
    with tempfile.TemporaryDirectory(prefix="edgecv-twin-") as folder:
        twin: Path = baseline
        names: tuple[str, ...] = ()
        if runtime_of_file(baseline).format != file_format:
            twin, names = _twin(baseline, file_format, Path(folder))
        # A child of its own: the file may have harmed the one that it ran in.
        with ModelClient(runtime_of_file(twin).name, 1) as other:
            true = other.activations(twin, images)
    return layer_errors(own, true, names, str(request.path))


def _twin(baseline: Path, file_format: str, folder: Path) -> tuple[Path, tuple[str, ...]]:
    """Export a Keras baseline in float32, and return the file and its kernels' layer names."""
    if runtime_of_file(baseline).runs_on_devices:
        raise InputError(
            str(baseline),
            f"cannot be compared with a .{file_format} file layer by layer",
            accepted=f"a .keras or .h5 file, or the float32 .{file_format} file of it",
        )
    twin = export_twin(baseline, file_format, folder)
    return twin.path, twin.names
