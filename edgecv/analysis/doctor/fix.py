"""The remedy as a recipe, and the proof that it helps: its file beside the one that was ill."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edgecv.analysis.bench import BenchOptions, bench_files
from edgecv.analysis.doctor.diagnose import DoctorRequest
from edgecv.analysis.doctor.records import Diagnosis, Finding, Fix
from edgecv.analysis.validate import validate_paths
from edgecv.core.errors import InputError, StepError
from edgecv.core.records import Event
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
"""By finding and format, what ``--quantize`` has to be."""
TIMING = BenchOptions(budget=3.0)
OnEvent = Callable[[Event], None]


def with_fix(
    patient: DoctorRequest,
    diagnosis: Diagnosis,
    target: Path,
    on_event: OnEvent = lambda event: None,
    log: Path | None = None,
) -> Diagnosis:
    """Return a diagnosis with what the remedy of its first finding that has one gives.

    The remedy is run, and written as a recipe to ``target``.

    Raises InputError where there is nothing that a recipe can do, or nothing to do it with.
    """
    finding = _curable(diagnosis, patient)
    recipe = _recipe(patient, finding)
    with tempfile.TemporaryDirectory(prefix="edgecv-fix-") as folder:
        store = Store.at(f"{folder}/exported")
        run(recipe, store, on_event=on_event, log=log)
        (cured,) = (
            path
            for path in store.run_folder(NAME).glob(f"*{patient.path.suffix.lower()}")
            if path.stem != "float32" or recipe.exports[0].precision == "float32"
        )
        report = validate_paths(
            [patient.path, cured],
            data=patient.data,
            baseline=patient.baseline,
            diagnosed=False,
            on_event=on_event,
            log=log,
        )
        found = {each.artifact.path: each for each in report.comparisons}
        if str(patient.path) not in found or str(cured) not in found:
            reasons = "; ".join(each.reason for each in report.gates if each.reason)
            raise StepError("--fix", f"the files cannot be compared: {reasons}")
        before, after = found[str(patient.path)], found[str(cured)]
        timing = bench_files([patient.path, cured], TIMING, on_event, log).timings[1]
    write_bytes(target, recipe.to_toml().encode())
    fix = Fix(
        recipe=str(target),
        finding=finding.name,
        agreement_before=before.agreement or 0.0,
        agreement_after=after.agreement or 0.0,
        accuracy_before=before.value,
        accuracy_after=after.value,
        time_ratio=timing.ratio,
        speed=timing.verdict,
    )
    return replace(diagnosis, fix=fix)


def _curable(diagnosis: Diagnosis, patient: DoctorRequest) -> Finding:
    file_format = runtime_of_file(patient.path).format
    for finding in diagnosis.findings:
        if finding.severity != "note" and file_format in QUANTIZE.get(finding.name, {}):
            return finding
    raise InputError(
        "--fix", "nothing was found that a recipe can cure", remedy="read what was found"
    )


def _recipe(patient: DoctorRequest, finding: Finding) -> Recipe:
    if patient.baseline is None or runtime_of_file(patient.baseline).format != "keras":
        raise InputError(
            "--fix", "needs the model that the file was made of", remedy="give it as --baseline"
        )
    file_format = runtime_of_file(patient.path).format
    return CompressOptions(
        model=str(patient.baseline),
        data=patient.data,
        quantize=QUANTIZE[finding.name][file_format],
        formats=(file_format,),
        name=NAME,
    ).to_recipe()
