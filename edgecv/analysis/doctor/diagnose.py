"""One file, everything that can be found out about it, each look in a child process."""

import tempfile
from collections.abc import Callable, Iterator
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
from edgecv.core.options import parse_options
from edgecv.core.plugins import DatasetSource
from edgecv.core.records import Event, Images, Shape
from edgecv.formats.contents import Contents
from edgecv.formats.lookup import runtime_of_file
from edgecv.formats.tflite.runtime import LiteRT
from edgecv.system.isolation import ModelClient

FORMATS = ("tflite", "onnx")
MOST_IMAGES = 16
MOST_BYTES = 2**28
"""Of all activations of one file: fewer images are looked at where these are large."""
REMEDIES = {
    "tflite": 'keep more bits: precision = "int16x8" under [[export]]',
    "onnx": 'keep the file in float: precision = "float32" under [[export]]',
}
OnEvent = Callable[[Event], None]


@dataclass(frozen=True)
class DoctorRequest:
    """A file, and what it should have been."""

    path: Path
    baseline: Path | None = None
    data: str | DatasetSource | None = None
    beside: Path | None = None
    """Another file of the same model, to be held against this one."""
    kernels: str = "xnnpack"
    """Of LiteRT: how the file is opened."""


def diagnose(
    patient: DoctorRequest, on_event: OnEvent = lambda event: None, log: Path | None = None
) -> Diagnosis:
    """Say why a file is slow and why it is wrong.

    Raises InputError for what is not a model, RuntimeFailure where no runtime runs it.
    """
    runtime = runtime_of_file(_checked(patient))
    contents = inspect(patient.path).contents
    findings = structural_findings(contents, patient.path.name)
    options = {"kernels": patient.kernels} if runtime.format == "tflite" else {}
    layers: tuple[LayerError, ...] = ()
    with ModelClient(runtime.name, 1, log=log, options=options) as worker:
        on_event(Event("doctor", f"running {patient.path}"))
        shape = _shape(worker, patient.path)
        pixels = np.random.default_rng(0).integers(0, 256, (1, *shape), dtype=np.uint8)
        findings += _running(patient, worker, contents, pixels, log)
        images = None if patient.data is None else _images(patient.data, shape, on_event)
        if patient.baseline is not None and images is not None:
            few = images[: _most(contents)]
            layers = _layers(patient, patient.baseline, worker, few, on_event)
            findings += blame_findings(layers, REMEDIES[contents.format])
    parity = None
    if images is not None:
        paths = [patient.path, *([patient.beside] if patient.beside else [])]
        parity = compare_kernels(paths, images, on_event, log)
        findings += parity_findings(parity)
    findings.append(processor_finding(contents))
    return Diagnosis(str(patient.path), worst_first(findings), layers, parity)


def _checked(patient: DoctorRequest) -> Path:
    if runtime_of_file(patient.path).format not in FORMATS:
        raise InputError(
            str(patient.path), "is not a file for a device", accepted="a file in .tflite, .onnx"
        )
    for flag, other in (("--baseline", patient.baseline), ("--beside", patient.beside)):
        if other is None:
            continue
        if patient.data is None:
            raise InputError(flag, "needs images", remedy="give --data too")
        if not other.is_file():
            raise InputError(flag, f"there is no file {other}")
        is_baseline = flag == "--baseline"
        if runtime_of_file(other).format not in (*FORMATS, *(["keras"] if is_baseline else [])):
            raise InputError(flag, f"{other} is not for a device", accepted=".tflite, .onnx")
    parse_options(LiteRT, {"kernels": patient.kernels}, "--kernels")
    if patient.kernels != "xnnpack" and patient.path.suffix.lower() != ".tflite":
        raise InputError("--kernels", "is of .tflite files", remedy="leave it out")
    return patient.path


def _shape(worker: ModelClient, path: Path) -> Shape:
    height, width, channels = worker.open(path).input.shape[1:]
    return height, width, channels


def _running(
    patient: DoctorRequest,
    worker: ModelClient,
    contents: Contents,
    pixels: Images,
    log: Path | None,
) -> Iterator[Finding]:
    operators = worker.executed(patient.path, pixels)
    if contents.format == "onnx":
        yield from profile_findings(operators, contents)
        return
    slower = ""
    if not any(each.is_delegated for each in operators) and patient.kernels != "xnnpack":
        own_s = worker.warm_up(patient.path, pixels)
        with ModelClient(worker.runtime, 1, log=log) as usual:
            usual_s = usual.warm_up(patient.path, pixels)
        slower = f"; {own_s * 1e6:,.0f} us a run, and {usual_s * 1e6:,.0f} with XNNPACK"
    yield from delegate_findings(operators, contents, patient.kernels, slower)


def _images(data: str | DatasetSource, shape: Shape, on_event: OnEvent) -> Images:
    from edgecv.datasets.resolve import resolve
    from edgecv.pipeline.run import load_source

    return load_source(resolve(data), shape, 0, on_event).test.images


def _most(contents: Contents) -> int:
    """Return on how many images every activation of a file may be looked at."""
    elements = sum(
        int(np.prod([abs(side) for side in each.output_shape or ()], dtype=np.int64))
        for each in contents.operators
    )
    return max(1, min(MOST_IMAGES, MOST_BYTES // (4 * max(1, elements))))


def _layers(
    patient: DoctorRequest, baseline: Path, worker: ModelClient, images: Images, on_event: OnEvent
) -> tuple[LayerError, ...]:
    on_event(Event("doctor", f"{len(images)} images through every layer, beside {baseline}"))
    own = worker.activations(patient.path, images)
    file_format = runtime_of_file(patient.path).format
    with tempfile.TemporaryDirectory(prefix="edgecv-twin-") as folder:
        twin: Path = baseline
        names: tuple[str, ...] = ()
        if runtime_of_file(baseline).format != file_format:
            twin, names = _twin(baseline, file_format, Path(folder))
        # A child of its own: the file may have harmed the one that it ran in.
        with ModelClient(runtime_of_file(twin).name, 1) as other:
            true = other.activations(twin, images)
    return layer_errors(own, true, names, str(patient.path))


def _twin(baseline: Path, file_format: str, folder: Path) -> tuple[Path, tuple[str, ...]]:
    """Export a Keras baseline in float32, and return the file and its kernels' layer names."""
    if runtime_of_file(baseline).format != "keras":
        raise InputError(
            str(baseline),
            f"cannot be compared with a .{file_format} file layer by layer",
            accepted=f"a .keras or .h5 file, or the float32 .{file_format} file of it",
        )
    twin = export_twin(baseline, file_format, folder)
    return twin.path, twin.names
