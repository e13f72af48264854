"""The steps of the action for pull requests, run as GitHub's runner runs them."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from paths import REPOSITORY

ACTION = REPOSITORY / ".github" / "actions" / "gate" / "action.yml"
STEPS: list[dict[str, Any]] = yaml.safe_load(ACTION.read_text("utf-8"))["runs"]["steps"]


def run_steps(
    folder: Path, programs: dict[str, str], inputs: dict[str, str],
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
    for step in STEPS:
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
