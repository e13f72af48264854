"""A run that passed ends with the line that brings it onto a device."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecv.core.report import Gate, Report
from edgecv.formats.keras.keras3.parity import RebuildParity
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.reports.failed_limits import failed_limits
from edgecv.reports.next_step import NextStep, next_step
from edgecv.techniques.channel_pruning.target_flag import parse_targets

RUN = "'exported/my run'"


def test_the_line_names_the_run_as_a_shell_takes_it(main_report: Report) -> None:
    command = "edgecv deploy 'exported/my run' --to bundle"
    assert next_step(main_report, RUN) == NextStep("On a device", command)


def test_one_of_several_files_is_named(main_report: Report) -> None:
    artifacts = [each for each in main_report.comparisons if each.artifact.path == "int8.tflite"]
    other = replace(artifacts[0], artifact=replace(artifacts[0].artifact, path="dynamic.tflite"))
    report = replace(main_report, comparisons=(*main_report.comparisons, other))
    step = next_step(report, RUN)
    assert step is not None
    assert step.command.endswith("--to bundle --artifact int8.tflite")


def failed(report: Report, *gates: Gate) -> Report:
    return replace(report, outcome="failed", gates=gates)


def faster(report: Report) -> Report:
    """Return the report as if its files were faster than floats, which not every machine says."""
    rows = (replace(each, speedup=2.0) for each in report.comparisons)
    return replace(report, comparisons=tuple(rows))


LOST = Gate("max_drop_points", "int8.tflite", 0.5, 3.0, "failed")
LARGE = Gate("max_bytes", "int8.tflite", 1000, 1200, "failed")
SLOW = Gate("min_speedup", "int8.tflite", 3.0, 2.4, "failed")


def test_a_run_that_lost_answers_is_diagnosed(main_report: Report) -> None:
    step = next_step(failed(main_report, LARGE, LOST), RUN)
    assert step == NextStep("Why", "edgecv doctor 'exported/my run'")
    inconclusive = replace(main_report, outcome="inconclusive")
    assert next_step(inconclusive, RUN) is None


def test_a_file_of_a_run_that_is_measured_again_is_named_with_its_folder(
    main_report: Report,
) -> None:
    """The advice named int8.tflite, which lies in the run and not where the command is given."""
    recipe = {key: value for key, value in main_report.recipe.items() if key != "export"}
    report = failed(replace(main_report, recipe=recipe), LOST)
    step = next_step(report, "None", Path("exported/my run"))
    assert step is not None
    assert step.advice.startswith("edgecv doctor 'exported/my run/int8.tflite', with the same ")


def test_limits_on_size_and_time_are_no_work_for_the_doctor(main_report: Report) -> None:
    for gate, target in ((LARGE, "--shrink 1000B"), (SLOW, "--shrink 3x")):
        step = next_step(failed(faster(main_report), gate), RUN)
        assert step is not None
        assert step.advice.startswith(target)
        assert "doctor" not in str(step)
        parse_targets(target.split()[1])


def test_a_remedy_is_written_as_the_option_is(main_report: Report) -> None:
    """A million microseconds was 1e+06us, which --shrink refuses; a device's time is none of it."""
    slow = Gate("max_latency_us", "int8.tflite", 1_500_000.0, 2e6, "failed")
    (limit,) = failed_limits(failed(main_report, slow))
    assert "--shrink 1500000us removes" in limit.remedy
    parse_targets("1500000us")
    rows = tuple(replace(each, machine="a board") for each in main_report.comparisons)
    (limit,) = failed_limits(failed(replace(main_report, comparisons=rows), slow))
    assert "--shrink 0.5 removes half" in limit.remedy


def test_a_run_chosen_among_recipes_is_not_advised_to_try_recipes(main_report: Report) -> None:
    recipe = {**main_report.recipe, "remark": "chosen by --auto among 3 recipes"}
    for gate in (LARGE, SLOW):
        step = next_step(failed(replace(faster(main_report), recipe=recipe), gate), RUN)
        assert step is not None
        assert "more --minutes" in step.advice
        assert "--auto" not in step.advice
        assert "--shrink" not in step.advice


def test_a_file_that_is_slower_than_floats_is_diagnosed(main_report: Report) -> None:
    slower = [replace(each, speedup=0.5) for each in main_report.comparisons]
    report = failed(replace(main_report, comparisons=tuple(slower)), SLOW)
    assert next_step(report, RUN) == NextStep("Why", "edgecv doctor 'exported/my run'")


def test_a_failed_limit_says_by_how_much(main_report: Report) -> None:
    report = failed(main_report, LARGE, SLOW, LOST)
    large, slow, lost = failed_limits(report)
    assert large.found == "bytes 1,200, limit 1,000: 200 (20% of the limit) too much"
    assert "2.4, limit 3: 0.6 (20% of the limit) too little" in slow.found
    assert lost.found.endswith(": 2.5 too much, 6 times the limit")
    assert "--quantize mixed" in lost.remedy
    far = Gate("max_bytes", "int8.tflite", 4_000, 46_200, "failed")
    near = Gate("min_cosine", "int8.tflite", 0.99, 0.98815, "failed")
    much, little = failed_limits(failed(main_report, far, near))
    assert much.found.endswith(": 42,200 too much, 11.6 times the limit")
    assert little.found.endswith(": 0.00185 (less than 1% of the limit) too little")
    assert failed_limits(report, "float32.tflite") == []
    few = Gate("same_answers", "int8.tflite", 0.5, 0.4, "failed")
    rare = Gate("ranges", "int8.tflite", 1e-3, 1e-9, "failed", "calibrated on one class")
    few_same, ranges = failed_limits(failed(main_report, few, rare))
    assert few_same.found.endswith("too little")
    assert ranges.found.endswith("(calibrated on one class)")


def remedies_beside(report: Report, model: str, *techniques: str, notes: str = "") -> list[str]:
    """Return what may reach each kind of limit, where the run was given ``model``."""
    recipe = {
        **report.recipe,
        "baseline": {"model": model},
        "technique": [{"technique": name} for name in techniques],
    }
    of_gzip = replace(LARGE, name="max_gzip_bytes")
    gates = failed(
        faster(replace(report, recipe=recipe, notes=(notes,))), LOST, LARGE, SLOW, of_gzip
    )
    return [each.remedy for each in failed_limits(gates)]


@pytest.mark.parametrize("techniques", [(), ("prune",), ("shrink", "distil")])
def test_remedies_name_options_that_compress_takes_beside_the_model(
    main_report: Report, techniques: tuple[str, ...]
) -> None:
    """Beside a MODEL, --schedule is refused."""
    given: dict[str, Any] = {"prune": "0.5", "shrink": "0.5", "distil": True}
    values = {"quantize": "mixed", "cluster": 16, "epochs": 9, "qat": True, "auto": True}
    for remedy in remedies_beside(main_report, "m.keras", *techniques):
        for flag in re.findall(r"--([a-z-]+)", remedy):
            beside = (
                {"max_drop": 1.0} if flag == "auto" else {key: given[key] for key in techniques}
            )
            options = {**beside, flag: {**given, **values}[flag]}
            CompressOptions(model="m.keras", data="digits", **options).to_recipe()
    longer = "longer (--epochs, or in a recipe training = { epochs = ... } under [[technique]])"
    assert remedies_beside(main_report, "m.keras", "qat")[0].endswith(longer)


def test_a_trained_baseline_has_no_flag_for_the_training_of_a_technique(
    main_report: Report,
) -> None:
    recipe = {**main_report.recipe, "baseline": {}, "technique": [{"technique": "qat"}]}
    (limit,) = failed_limits(failed(replace(main_report, recipe=recipe), LOST))
    assert limit.remedy.endswith("longer (training = { epochs = ... } under [[technique]])")


AS_IT_IS = RebuildParity(16, 0.0, unbuildable="a layer").sentences()[0]


@pytest.mark.parametrize(
    ("model", "notes"), [("m.onnx", ""), ("a_saved_model", ""), ("m.keras", AS_IT_IS)]
)
def test_a_model_that_cannot_be_trained_is_advised_no_technique(
    model: str, notes: str, main_report: Report
) -> None:
    remedies = remedies_beside(main_report, model, notes=notes)
    lost, large, *_ = remedies
    assert lost == "--quantize mixed leaves the layers in float32 that lose most"
    assert "--auto" in large
    assert not re.findall("--(?:qat|shrink|prune|cluster)", str(remedies))
    unlabelled = replace(main_report.baseline, value=None)
    without = replace(main_report, baseline=unlabelled)
    assert remedies_beside(without, "m.keras") == remedies


def test_a_file_of_no_run_is_packed_first_and_examined_by_its_name(main_report: Report) -> None:
    recipe = {"data": {"source": "digits"}, "gates": {"max_bytes": 1000}}
    measured = replace(main_report, recipe=recipe)
    assert next_step(measured, "None") is None
    large = str(next_step(failed(measured, LARGE), "None"))
    assert large.startswith("To reach it: edgecv pack")
    assert "edgecv compress MODEL --shrink 1000B" in large
    lost = str(next_step(failed(measured, LOST), "None"))
    assert lost.startswith("Why: edgecv doctor int8.tflite, with the same --baseline")
