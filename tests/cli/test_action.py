"""The action for pull requests: its steps run with programs that record how they are called."""

import os
import re
import subprocess
from collections.abc import Callable
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


def run_steps(
    action: dict[str, Any], folder: Path, programs: dict[str, str], inputs: dict[str, str],
    environment: Callable[[str], dict[str, str]] = lambda step: {},
) -> tuple[list[list[str]], int]:  # fmt: skip
    """Run the scripts of all steps as a runner does; return the recorded calls, and the last code.

    ``programs``: scripts by name, which stand in the place of what GitHub provides.
    """
    (folder / "programs").mkdir()
    for name, text in programs.items():
        (folder / "programs" / name).write_text(text)
        (folder / "programs" / name).chmod(0o755)
    given = {
        "inputs.token": "t", "runner.temp": str(folder), "github.repository": "a/b",
        "github.event.pull_request.number": "7", **inputs,
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
        path = f"{folder / 'programs'}:{os.environ['PATH']}"
        variables = {**environment(step["name"]), "PATH": path, **fixed, **own}
        script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        exit_code = subprocess.run(script, cwd=folder, env=variables, check=False).returncode
        assert step["name"] == "Verdict" or exit_code == 0
        if step.get("id") == "gate":
            written = places["GITHUB_OUTPUT"].read_text().splitlines()
            outputs = dict(line.split("=", 1) for line in written)
            given.update({f"steps.gate.outputs.{name}": each for name, each in outputs.items()})
    lines = places["CALLS"].read_text().split("\0\n")[:-1]
    return [line.split("\0") for line in lines], exit_code


def run_recorded(action: dict[str, Any], folder: Path, code: int) -> tuple[list[list[str]], int]:
    """Run the steps with programs that record how they are called; the gate ends with a code."""
    inputs = {
        "inputs.run": "exported/my run", "inputs.against": "edgecv.lock",
        "inputs.options": "--threads\n2\n$(touch evil)",
    }  # fmt: skip

    def environment(step: str) -> dict[str, str]:
        return {"EXIT": str(code if step in ("Gate", "Diagnosis") else 0)}

    programs = dict.fromkeys(("edgecv", "gh"), RECORDER)
    found = run_steps(action, folder, programs, inputs, environment)
    assert (folder / "GITHUB_OUTPUT").read_text() == f"exit-code={code}\n"
    assert (folder / "GITHUB_STEP_SUMMARY").read_text() == "a verdict\n"
    return found


@pytest.mark.parametrize("code", [0, 1, 4])
def test_the_gate_decides_and_everything_else_happens_too(
    action: dict[str, Any], tmp_path: Path, code: int
) -> None:
    calls, exit_code = run_recorded(action, tmp_path, code)
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
