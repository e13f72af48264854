"""A file of a run as the baseline of others: the run says how it is read."""

import shutil
from pathlib import Path

from typer.testing import CliRunner

from edgecv.cli import app
from edgecv.core.report import Report


def test_its_integer_file_is_not_tried_with_other_pixels(
    output: Path, main_report: Report, tmp_path: Path
) -> None:
    run = output / "main"
    moved = tmp_path / "int8.tflite"
    shutil.copy(run / "int8.tflite", moved)  # Of no run: its pixels are looked for.
    shown = [
        CliRunner().invoke(
            app,
            ["validate", str(run / "float32.tflite"), "--baseline", str(path), "--data", "digits"],
        )
        for path in (run / "int8.tflite", moved)
    ]
    assert [each.exit_code in (0, 1, 4) for each in shown] == [True, True], shown[0].output
    tried = [f"{moved} with each preprocessing" in each.output for each in shown]
    assert "with each preprocessing" not in shown[0].output
    assert tried == [False, True]
