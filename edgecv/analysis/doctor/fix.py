"""The remedy of a finding as a recipe, with a measured comparison of the new file and the old."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecv.analysis.bench import time_files
from edgecv.analysis.doctor.records import Diagnosis, Finding, Fix
from edgecv.analysis.options import BenchOptions, DoctorOptions, ValidateOptions
from edgecv.analysis.validate import validate
from edgecv.core.errors import StepError
from edgecv.core.registry import EXPORTERS
from edgecv.evaluation.task_of import task_of
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.context import AnalysisContext, RunContext
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.options import InputOptions
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.run import compress
from edgecv.system.storage import Store, write_bytes

NAME = "doctor-fix"
QUANTIZE = {
    "bad-scale": {"int8": "int8"},
    "dynamic-range": {"int8": "int8"},
    "weights-only": {"int8": "int8"},
    "float-island": {"int8": "int8"},
    "xnnpack-off": {"int8": "int8"},
    "overflow": {"float32": "none"},
    "coarse-layer": {"int16x8": "int16x8", "float32": "none"},
}
"""By finding: the precisions that help, the best first, and their value for ``--quantize``."""
TIMING = BenchOptions(budget=3.0)


def with_fix(
    options: DoctorOptions,
    diagnosis: Diagnosis,
    target: Path,
    context: AnalysisContext,
) -> Diagnosis:
    """Run the remedy of the first finding that has one; return the diagnosis with its result.

    The recipe is written to ``target``. Where no finding has a recipe as its remedy, a note says
    so.
    """
    finding = _fixable(diagnosis, options)
    if finding is None:
        reason = "nothing was found that a recipe can fix: none was written"
        return replace(
            diagnosis, findings=(*diagnosis.findings, Finding("fix", "note", "--fix", reason))
        )
    recipe = _recipe(options, finding)
    with tempfile.TemporaryDirectory(prefix="edgecv-fix-") as folder:
        store = Store.at(f"{folder}/exported")
        compress(recipe, RunContext(**vars(context), store=store))
        name = f"{recipe.exports[0].precision}{options.path.suffix.lower()}"
        fixed = store.run_folder(NAME) / name
        both = ValidateOptions(
            paths=(options.path, fixed),
            data=options.data,
            baseline=options.baseline,
            task=options.task,
            **_input_options(options),
        )
        report, _ = validate(replace(both.request(), unproven=()), context)
        found = {(each.artifact.path, each.head): each for each in report.comparisons}
        old = [each for (path, _), each in found.items() if path == str(options.path)]
        before = min(old, key=lambda each: each.agreement or 0.0, default=None)
        after = None if before is None else found.get((str(fixed), before.head))
        if before is None or after is None:
            reasons = "; ".join(each.reason for each in report.gates if each.reason)
            raise StepError("--fix", f"the files cannot be compared: {reasons}")
        time_ratio, speed = compared_time(options, fixed, context)
    write_bytes(target, recipe.to_toml().encode())
    fix = Fix(
        recipe=str(target),
        finding=finding.name,
        agreement_before=before.agreement or 0.0,
        agreement_after=after.agreement or 0.0,
        metric=before.metric,
        value_before=before.value,
        value_after=after.value,
        is_fraction=task_of(report).head_called(before.head).task.headline.is_fraction,
        time_ratio=time_ratio,
        speed=speed,
    )
    return replace(diagnosis, fix=fix)


def compared_time(
    options: DoctorOptions, fixed: Path, context: AnalysisContext
) -> tuple[float | None, str]:
    """Return how much of the time of the file another one takes, and the verdict on it."""
    settings = TIMING.model_copy(update=_input_options(options))
    timings = time_files([options.path, fixed], settings, context).timings
    if len(timings) != 2:
        return None, "not known"
    return timings[1].ratio, timings[1].verdict


def _fixable(diagnosis: Diagnosis, options: DoctorOptions) -> Finding | None:
    for finding in diagnosis.findings:
        if finding.severity != "note" and _quantize(finding, options) is not None:
            return finding
    return None


def _quantize(finding: Finding, options: DoctorOptions) -> str | None:
    """Return the value of ``--quantize`` that fixes a finding, None if the format has none."""
    possible = EXPORTERS.get(runtime_of_file(options.path).format, "--fix").precisions
    helps = QUANTIZE.get(finding.name, {})
    return next((helps[precision] for precision in helps if precision in possible), None)


def _input_options(options: DoctorOptions) -> dict[str, Any]:
    return options.model_dump(include=set(InputOptions.model_fields))


def _recipe(options: DoctorOptions, finding: Finding) -> Recipe:
    quantize = _quantize(finding, options)
    return CompressOptions(
        model=str(options.baseline),
        data=options.data,
        quantize=None if quantize is None else (quantize,),
        formats=(runtime_of_file(options.path).format,),
        name=NAME,
        task=options.task,
        **_input_options(options),
    ).to_recipe()
