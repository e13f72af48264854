"""The action for pull requests: its steps run with programs that record how they are called."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from paths import REPOSITORY

from edgecv.cli.from_options import build

pytestmark = pytest.mark.quick

ACTION = REPOSITORY / ".github" / "actions" / "gate" / "action.yml"
RECORDER = """#!/usr/bin/env bash
printf '%s\\0' "$(basename "$0")" "$@" >> "$CALLS"
printf '\\n' >> "$CALLS"
for each in "$@"; do
  if [ "$previous" = --markdown ] || [ "$previous" = --sarif ]; then echo "a verdict" > "$each"; fi
  previous=$each
done
exit "${EXIT:-0}"
"""


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(ACTION.read_text("utf-8"))
    return found


def run_steps(action: dict[str, Any], folder: Path, code: int) -> tuple[list[list[str]], int]:
    """Run the scripts of all steps; return the calls of programs, and the last exit code."""
    programs = folder / "programs"
    programs.mkdir()
    for name in ("edgecv", "gh"):
        (programs / name).write_text(RECORDER)
        (programs / name).chmod(0o755)
    given = {
        "inputs.run": "exported/my run", "inputs.against": "edgecv.lock",
        "inputs.options": "--threads\n2\n$(touch evil)", "inputs.token": "t",
        "runner.temp": str(folder), "github.repository": "a/b",
        "github.event.pull_request.number": "7", "steps.gate.outputs.exit-code": str(code),
    }  # fmt: skip
    places = {name: folder / name for name in ("CALLS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    fixed = {name: str(path) for name, path in places.items()}
    exit_code = 0
    for step in action["runs"]["steps"]:
        if "run" not in step:
            continue
        own = {
            name: re.sub(r"\$\{\{ (\S+) \}\}", lambda found: given[found[1]], value)
            for name, value in step["env"].items()
        }
        environment = {"PATH": f"{programs}:{os.environ['PATH']}", **fixed, **own}
        environment["EXIT"] = str(code if step["name"] in ("Gate", "Diagnosis") else 0)
        script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        exit_code = subprocess.run(script, cwd=folder, env=environment, check=False).returncode
        assert step["name"] == "Verdict" or exit_code == 0
    lines = places["CALLS"].read_text().split("\0\n")[:-1]
    assert places["GITHUB_OUTPUT"].read_text() == f"exit-code={code}\n"
    assert places["GITHUB_STEP_SUMMARY"].read_text() == "a verdict\n"
    return [line.split("\0") for line in lines], exit_code


@pytest.mark.parametrize("code", [0, 1, 4])
def test_the_gate_decides_and_everything_else_happens_too(
    action: dict[str, Any], tmp_path: Path, code: int
) -> None:
    calls, exit_code = run_steps(action, tmp_path, code)
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


def test_no_expression_stands_in_a_script(action: dict[str, Any]) -> None:
    scripts = [step["run"] for step in action["runs"]["steps"] if "run" in step]
    assert not [script for script in scripts if "${{" in script]


def test_a_failed_gate_is_commented_and_uploaded(action: dict[str, Any]) -> None:
    for step in action["runs"]["steps"][1:]:
        assert "!cancelled()" in step["if"]
