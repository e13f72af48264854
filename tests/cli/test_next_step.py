"""A run that passed ends with the line that brings it onto a device."""

from dataclasses import replace
from pathlib import Path

from edgecv.cli.show import next_step
from edgecv.core.report import Report

RUN = Path("exported/my run")


def test_the_line_names_the_run_as_a_shell_takes_it(main_report: Report) -> None:
    assert (
        next_step(main_report, RUN) == "On a device: edgecv deploy 'exported/my run' --to bundle\n"
    )


def test_one_of_several_files_is_named(main_report: Report) -> None:
    artifacts = [each for each in main_report.comparisons if each.artifact.path == "int8.tflite"]
    other = replace(artifacts[0], artifact=replace(artifacts[0].artifact, path="dynamic.tflite"))
    report = replace(main_report, comparisons=(*main_report.comparisons, other))
    assert next_step(report, RUN).endswith("--to bundle --artifact int8.tflite\n")


def test_a_run_that_failed_is_not_brought_anywhere(main_report: Report) -> None:
    assert next_step(replace(main_report, outcome="failed"), RUN) == ""
