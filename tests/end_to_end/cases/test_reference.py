"""Handed cases: files of any outputs are diagnosed."""

import pytest
from paths import SHARED
from typer.testing import CliRunner

from edgecv.cli import app

CASE = SHARED / "cases" / "detection_four_outputs.tflite"


@pytest.mark.skipif(not CASE.exists(), reason=f"needs {CASE}, which is not part of the project")
def test_a_file_of_four_outputs_is_diagnosed(capfd: pytest.CaptureFixture[str]) -> None:
    done = CliRunner().invoke(app, ["doctor", str(CASE)])
    assert done.exit_code == 0, done.output
    text = capfd.readouterr().out
    assert "delegate-coverage" in text
    assert "without --data, its answers and its layers were not looked at" in text
