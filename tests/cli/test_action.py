"""The action for pull requests: its steps run with programs that record how they are called."""

from pathlib import Path

import pytest
from action_steps import STEPS, run_steps

from edgecv.cli.from_options import build

pytestmark = pytest.mark.quick

RECORDER = """#!/usr/bin/env bash
printf '%s\\0' "$(basename "$0")" "$@" >> "$CALLS"
printf '\\n' >> "$CALLS"
for each in "$@"; do
  case "$previous:${EXIT:-0}" in
    --markdown:[014] | --sarif:*) echo "a verdict" > "$each" ;;
  esac
  previous=$each
done
exit "${EXIT:-0}"
"""


def run_recorded(folder: Path, code: int) -> tuple[list[list[str]], int]:
    """Run the steps with programs that record how they are called; the gate ends with a code."""
    inputs = {
        "inputs.run": "exported/my run", "inputs.against": "edgecv.lock",
        "inputs.options": "--threads\n2\n$(touch evil)",
    }  # fmt: skip

    def environment(step: str) -> dict[str, str]:
        return {"EXIT": str(code if step in ("Gate", "Diagnosis") else 0)}

    programs = dict.fromkeys(("edgecv", "gh"), RECORDER)
    found = run_steps(folder, programs, inputs, environment)
    assert (folder / "GITHUB_OUTPUT").read_text() == f"exit-code={code}\n"
    summary = (folder / "GITHUB_STEP_SUMMARY").read_text()
    assert summary == (folder / "edgecv-gate/gate.md").read_text()
    assert (summary == "a verdict\n") is (code in (0, 1, 4))
    return found


@pytest.mark.parametrize("code", [0, 1, 2, 4])
def test_the_gate_decides_and_everything_else_happens_too(tmp_path: Path, code: int) -> None:
    calls, exit_code = run_recorded(tmp_path, code)
    assert exit_code == code
    assert [call[:2] for call in calls] == [
        ["edgecv", "gate"], ["edgecv", "report"], ["edgecv", "doctor"], ["gh", "pr"],
    ]  # fmt: skip
    assert calls[0][-3:] == ["--threads", "2", "$(touch evil)"]
    assert not (tmp_path / "evil").exists()
    for _, command, *arguments in calls[:3]:
        given = [each for each in arguments if each != "$(touch evil)"]
        assert (
            build(command)
            .make_context(command, given)
            .params["run" if command != "doctor" else "path"]
        )


def test_no_expression_stands_in_a_script() -> None:
    scripts = [step["run"] for step in STEPS if "run" in step]
    assert not [script for script in scripts if "${{" in script]


def test_a_failed_gate_is_commented_and_uploaded() -> None:
    for step in STEPS[1:]:
        assert "!cancelled()" in step["if"]
