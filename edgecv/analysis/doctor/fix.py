"""The remedy of a finding as a recipe, and the proof that it helps: its file beside the old."""

import tempfile
from pathlib import Path

from edgecv.analysis.bench import BenchOptions, bench_files
from edgecv.analysis.doctor.diagnose import DoctorRequest
from edgecv.analysis.doctor.records import Diagnosis, Finding, Fix
from edgecv.analysis.validate import validate_paths
from edgecv.core.errors import InputError, StepError
from edgecv.core.records import OnEvent, ignore_event
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.run import run
from edgecv.system.storage import Store, write_bytes

NAME = "doctor-fix"
QUANTIZE = {
    "bad-scale": {"tflite": "int8", "onnx": "int8"},
    "dynamic-range": {"tflite": "int8", "onnx": "int8"},
    "float-island": {"tflite": "int8", "onnx": "int8"},
    "xnnpack-off": {"tflite": "int8"},
    "coarse-layer": {"tflite": "int16x8", "onnx": "none"},
}
"""By finding and format, the value of ``--quantize`` that helps."""
TIMING = BenchOptions(budget=3.0)


def fix(
    request: DoctorRequest,
    diagnosis: Diagnosis,
    target: Path,
    on_event: OnEvent = ignore_event,
    log: Path | None = None,
) -> Fix:
    """Write the remedy of the first finding that has one as a recipe to ``target``, and run it.

    Raises InputError where there is nothing that a recipe can do, or nothing to do it with.
    """
    finding = _fixable(diagnosis, request)
    recipe = _recipe(request, finding)
    with tempfile.TemporaryDirectory(prefix="edgecv-fix-") as folder:
        store = Store.at(f"{folder}/exported")
        run(recipe, store, on_event=on_event, log=log)
        (fixed,) = (
            path
            for path in store.run_folder(NAME).glob(f"*{request.path.suffix.lower()}")
            if path.stem != "float32" or recipe.exports[0].precision == "float32"
        )
        report = validate_paths(
            [request.path, fixed],
            data=request.data,
            baseline=request.baseline,
            diagnosed=False,
            on_event=on_event,
            log=log,
        )
        found = {each.artifact.path: each for each in report.comparisons}
        if str(request.path) not in found or str(fixed) not in found:
            reasons = "; ".join(each.reason for each in report.gates if each.reason)
            raise StepError("--fix", f"the files cannot be compared: {reasons}")
        before, after = found[str(request.path)], found[str(fixed)]
        timing = bench_files([request.path, fixed], TIMING, on_event, log).timings[1]
    write_bytes(target, recipe.to_toml().encode())
    return Fix(
        recipe=str(target),
        finding=finding.name,
        agreement_before=before.agreement or 0.0,
        agreement_after=after.agreement or 0.0,
        accuracy_before=before.value,
        accuracy_after=after.value,
        time_ratio=timing.ratio,
        speed=timing.verdict,
    )


def _fixable(diagnosis: Diagnosis, request: DoctorRequest) -> Finding:
    file_format = runtime_of_file(request.path).format
    for finding in diagnosis.findings:
        if finding.severity != "note" and file_format in QUANTIZE.get(finding.name, {}):
            return finding
    raise InputError(
        "--fix", "nothing was found that a recipe can cure", remedy="read what was found"
    )


def _recipe(request: DoctorRequest, finding: Finding) -> Recipe:
    if request.baseline is None or runtime_of_file(request.baseline).format != "keras":
        raise InputError(
            "--fix", "needs the model that the file was made of", remedy="give it as --baseline"
        )
    file_format = runtime_of_file(request.path).format
    return CompressOptions(
        model=str(request.baseline),
        data=request.data,
        quantize=QUANTIZE[finding.name][file_format],
        formats=(file_format,),
        name=NAME,
    ).to_recipe()
