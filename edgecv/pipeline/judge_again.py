"""A stored run judged by other limits: nothing is trained, exported or measured again."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from edgecv.core.artifact import SessionFacts
from edgecv.core.comparison import Comparison, Measurement
from edgecv.core.data import Outputs
from edgecv.core.errors import InputError
from edgecv.core.images import ImageSequence
from edgecv.core.report import Gate, Report
from edgecv.core.text import listed
from edgecv.evaluation.gates import PROOF, verdict
from edgecv.evaluation.limits import Limits, gate_texts
from edgecv.evaluation.output_differences import OUTPUTS
from edgecv.evaluation.paired_statistics import with_margin
from edgecv.evaluation.task_of import task_of
from edgecv.formats.lookup import runtime_of_file
from edgecv.formats.model_file import model_sha256
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.load_data import data_facts, further_images, load_data
from edgecv.pipeline.recipe.checks import check_limits
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.rounding_noise import fails_by_numbers, noisy_outputs, steady_gates
from edgecv.pipeline.run_gates import judge_moved, limit_gates
from edgecv.pipeline.run_report import is_candidate
from edgecv.reports.files import write_reports
from edgecv.reports.json_file import read_report
from edgecv.system.storage import MANIFEST, check_seal, copy_file, tree_sha256, write_bytes

DECIDES_NOTHING = ("gates", "remark")
"""Keys of a recipe that change no file of its run."""
NOTE = "judged again by other limits: nothing was trained, exported or measured for that"


def judge_again(recipe: Recipe, context: RunContext) -> Report | None:
    """Judge the stored run of this name by the limits of a recipe, and write its report anew.

    Returns None unless that run was made by the same recipe, and this one gives other limits.
    Raises InputError where the run is damaged, or where its model or data is another one now.
    """
    report = _stored_report(context.store.run_folder(recipe.name))
    if report is None or not can_be_judged_again(report, recipe):
        return None
    if not given_limits(report, recipe) or is_judged_by(report, recipe):
        return None
    return judge_stored(report, recipe, context)


def judge_stored(report: Report, recipe: Recipe, context: RunContext) -> Report:
    """Judge a stored run by the limits of a recipe: ``can_be_judged_again`` has said that it can.

    Raises InputError as ``judge_again`` does.
    """
    place = context.store.run_folder(recipe.name)
    check_seal(place)
    context.emit("judge", f"judging the stored run {place} by other limits")
    images = check_made_of(report, recipe, context, place)
    judged = _judged(report, recipe, partial(steady_beside_twins, report, place, images, context))
    with context.store.writing(place, replace=True) as folder:
        for path in sorted(place.iterdir()):
            if path != place / MANIFEST:
                copy_file(path, folder / path.name)
        write_bytes(folder / "recipe.toml", _toml(judged.recipe))
        write_reports(judged, folder)
    return judged


def _stored_report(place: Path) -> Report | None:
    """Return the report of a finished run; None where there is none, or it is damaged."""
    try:
        return read_report(place) if (place / MANIFEST).is_file() else None
    except InputError:
        return None


def is_run_of(report: Report, recipe: Recipe) -> bool:
    """Return True if a run was made by a recipe, whatever its limits, its logs and its remark.

    What a run found by itself stands in its report, and in a recipe only where it is given. What it
    was given, another recipe has too.
    """
    asked, stored = recipe.replace(logs=()).table(), dict(report.recipe)
    for table in (asked, stored):
        for key in DECIDES_NOTHING:
            table.pop(key, None)
    original = dict(stored.get("baseline", {}))
    given, before = recipe.given, report.given
    for key, found, own in (("task", stored, asked), ("preprocess", original, asked["baseline"])):
        if before is not None and before.get(key) == given.get(key):
            found.pop(key, None)
            own.pop(key, None)
    if "sha256" not in asked["baseline"].get("backbone", {"sha256": ""}):
        original["backbone"] = {
            k: v for k, v in original.get("backbone", {}).items() if k != "sha256"
        }
    if asked != {**stored, "baseline": original}:
        return False
    # Of options by name pattern the first that matches counts.
    return all(json.dumps(asked[key]) == json.dumps(stored[key]) for key in ("technique", "export"))


def is_judged_by(report: Report, recipe: Recipe) -> bool:
    """Return True if a run was made by a recipe and judged by its limits, or by none as it has."""
    before = report.recipe.get("gates", {})
    return is_run_of(report, recipe) and given_limits(report, recipe) == before


def can_be_judged_again(report: Report, recipe: Recipe) -> bool:
    """Return True if a run was made by a recipe, and its files are the same by other limits.

    One that chooses layers by its limits is made again, and so is one without a measured file.
    """
    if any(exporter.layer_choices for exporter in recipe.exports) or not report.comparisons:
        return False
    if not is_run_of(report, recipe):
        return False
    heads = task_of(report).heads()
    return heads[0].task.compares_numbers or any(g.name == PROOF for g in report.gates)


def check_made_of(
    report: Report, recipe: Recipe, context: RunContext, place: Path
) -> ImageSequence:
    """Return the test images of a run. Raises InputError where model or data are others now."""
    check_same_model(report, recipe, place)
    return _same_images(report, recipe, context, place)


def check_same_model(report: Report, recipe: Recipe, place: Path) -> None:
    """Raise InputError where model, teacher or the code of its layers is another one now."""
    backbone = recipe.baseline.backbone
    if backbone is not None:
        stored = report.recipe["baseline"]["backbone"]["sha256"]
        if tree_sha256(backbone.path) != stored:
            raise _another(place, str(backbone.path))
    code = "" if report.baseline is None else report.baseline.code_sha256
    own = recipe.baseline.own_code
    if code and code != own.code_sha256():
        raise _another(place, listed(own.custom_objects))
    taught_by = "" if report.baseline is None else report.baseline.teacher_sha256
    if taught_by and model_sha256(Path(str(recipe.baseline.teacher))) != taught_by:
        raise _another(place, str(recipe.baseline.teacher))
    if recipe.baseline.model is None or report.baseline is None:
        return  # It is trained by what the recipe says, on the data.
    if model_sha256(Path(recipe.baseline.model)) != report.baseline.sha256:
        raise _another(place, recipe.baseline.model)


def _same_images(report: Report, recipe: Recipe, context: RunContext, place: Path) -> ImageSequence:
    """Return the test images. Raises InputError where the data is another one now."""
    height, width, channels = report.comparisons[0].input.shape[1:]
    data, task = load_data(recipe.data, (height, width, channels), context), task_of(report)
    own, labels = task.of_task(data), recipe.baseline.labels
    if labels is not None:  # A run has the data with its classes in their order.
        data = task.fit_data(own, len(labels), labels, str(place))
    if data_facts(data, recipe.task).splits != report.data.splits:
        raise _another(place, data.name)
    further, before = further_images(recipe, data, context), report.data.unlabelled
    if further is not None and (before is None or further.sha256 != before.sha256):
        raise _another(place, str(recipe.settings.unlabelled))
    check_limits(own, recipe.gates, "[gates]")
    return data.test.images


def _another(place: Path, name: str) -> InputError:
    return InputError(
        str(place),
        f"exists already, and {name} is not what it was made of any more",
        remedy="give --force to replace it, or another --name",
    )


def given_limits(report: Report, recipe: Recipe) -> dict[str, Any]:
    """Return the limits of a recipe as a report holds them: a time is of the device that ran."""
    limits = recipe.gates.meant_for(report.machine) if report.devices else recipe.gates
    return limits.model_dump(exclude_none=True)


def _judged(
    report: Report, recipe: Recipe, steady: Callable[[Sequence[Gate], Limits], list[Gate]]
) -> Report:
    """Return a report with the gates of other limits; all other gates stay."""
    margin = recipe.gates.margin_points
    comparisons = tuple(_with_margin(each, margin) for each in report.comparisons)
    limits, here = recipe.gates.with_defaults(), report.machine
    candidates = [each for each in comparisons if is_candidate(each, recipe)]
    gates = steady(limit_gates(candidates, limits, task_of(report), report.data, here), limits)
    kept = [gate for gate in report.gates if gate.name not in (*gate_texts(), OUTPUTS)]
    gates = [*gates, *kept]
    return replace(
        report,
        recipe={**report.recipe, "gates": given_limits(report, recipe)},
        comparisons=comparisons,
        gates=tuple(gates),
        outcome=verdict(gates),
        notes=tuple(dict.fromkeys((*report.notes, NOTE))),
    )


def steady_beside_twins(
    report: Report,
    place: Path,
    images: ImageSequence,
    context: RunContext,
    gates: Sequence[Gate],
    limits: Limits,
) -> list[Gate]:
    """Return gates, those of numbers inconclusive that rounding alone fails, as in a run."""
    found, task, pool = list(gates), task_of(report), context.measurements
    twins = [each for each in report.files if each.is_twin]
    for twin in twins if fails_by_numbers(gates, task) else ():
        path = place / twin.artifact.path
        outputs = pool.predict(runtime_of_file(path).name, path, images)
        measured = [_measured(each, outputs) for each in report.files]
        again = partial(noisy_outputs, pool, path, images)
        as_noise = partial(judge_moved, measured, outputs, limits, task, report.data)
        found = steady_gates(found, twin.artifact.path, task, again, as_noise)
    return found


def _measured(comparison: Comparison, outputs: Outputs) -> Measurement:
    """Return a file of a report as if it had given some outputs."""
    ends = comparison.input, (comparison.output, *comparison.further_outputs)
    facts = SessionFacts(*ends, answers=(), image=(0, 0, 0))
    return Measurement(comparison.artifact, comparison.runtime, outputs, facts)


def _with_margin(comparison: Comparison, margin_points: float) -> Comparison:
    if comparison.statistics is None:
        return comparison
    control = comparison.control
    if control is not None:
        control = replace(control, statistics=with_margin(control.statistics, margin_points))
    statistics = with_margin(comparison.statistics, margin_points)
    return replace(comparison, statistics=statistics, control=control)


def _toml(table: Mapping[str, Any]) -> bytes:
    import tomli_w

    return tomli_w.dumps(table).encode()
