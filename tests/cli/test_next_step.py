"""A run that passed ends with the line that brings it onto a device."""

from dataclasses import replace

from edgecv.core.report import Report
from edgecv.reports.next_step import next_step

RUN = "'exported/my run'"


def test_the_line_names_the_run_as_a_shell_takes_it(main_report: Report) -> None:
    command = "edgecv deploy 'exported/my run' --to bundle"
    assert next_step(main_report, RUN) == ("On a device", command)


def test_one_of_several_files_is_named(main_report: Report) -> None:
    artifacts = [each for each in main_report.comparisons if each.artifact.path == "int8.tflite"]
    other = replace(artifacts[0], artifact=replace(artifacts[0].artifact, path="dynamic.tflite"))
    report = replace(main_report, comparisons=(*main_report.comparisons, other))
    step = next_step(report, RUN)
    assert step is not None
    assert step[1].endswith("--to bundle --artifact int8.tflite")


def test_a_run_that_failed_is_diagnosed(main_report: Report) -> None:
    step = next_step(replace(main_report, outcome="failed"), RUN)
    assert step == ("Why", "edgecv doctor 'exported/my run'")
    assert next_step(replace(main_report, outcome="inconclusive"), RUN) is None
