"""The action for pull requests with the real program: only GitHub's own is a stand-in."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from action_steps import run_steps
from paths import REPOSITORY

pytestmark = pytest.mark.slow

HOSTILE = (
    "<img src=x onerror=alert(1)>|@everyone\n# x",
    "](javascript:alert(1)) `a` $(touch evil)",
)
POSTING = """#!/usr/bin/env bash
printf '%s\\0' gh "$@" >> "$CALLS"
printf '\\n' >> "$CALLS"
cp "${@: -1}" "$CALLS.comment"
"""


@pytest.fixture(scope="module")
def accepted_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of two classes whose names are hostile, and of its lock."""
    from edgecv.models.tf import load_tensorflow

    folder = tmp_path_factory.mktemp("accepted")
    keras = load_tensorflow()[1]
    keras.utils.set_random_seed(3)
    layers, random = keras.layers, np.random.default_rng(0)
    labels = np.arange(240) % 2
    images = random.integers(0, 120, (240, 8, 8, 1), dtype=np.uint8)
    images[labels == 1, 2:6, 2:6] += 130
    np.savez(
        folder / "data.npz",
        x_train=images[:160], y_train=labels[:160], x_test=images[160:], y_test=labels[160:],
        class_names=np.array(HOSTILE),
    )  # fmt: skip
    model = keras.Sequential(
        [
            layers.InputLayer((8, 8, 1)), layers.Rescaling(1 / 255), layers.Conv2D(4, 3),
            layers.ReLU(), layers.Flatten(), layers.Dense(2), layers.Softmax(),
        ]
    )  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images, labels, 8, 12, verbose=0)
    model.save(folder / "model.keras")
    given = ["--data", "data.npz", "--quantize", "int8", "--format", "tflite", "--name", "ci"]
    accept = ["gate", "exported/ci", "--update", "--against", "edgecv.lock"]
    for arguments in (["compress", "model.keras", *given], accept):
        subprocess.run([sys.executable, "-m", "edgecv", *arguments], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize("code", [0, 1])
def test_the_action_with_its_real_program(accepted_run: Path, tmp_path: Path, code: int) -> None:
    """Only ``gh`` stands for GitHub; the failing run is twice as large as what was accepted."""
    work = tmp_path / "work"
    shutil.copytree(accepted_run, work)
    lock = work / "edgecv.lock"
    text = lock.read_text().replace("max_slowdown_percent = 10.0", "max_slowdown_percent = 99.0")
    lock.write_text(re.sub(r"(?m)^bytes = \d+", "bytes = 900", text) if code else text)
    program = f'#!/usr/bin/env bash\nexec {sys.executable} -m edgecv "$@"\n'
    inputs = {
        "inputs.run": "exported/ci", "inputs.against": "edgecv.lock",
        "inputs.options": "--threads\n1\n",
    }  # fmt: skip
    environment = {"PYTHONPATH": str(REPOSITORY), "HOME": str(tmp_path)}
    programs = {"edgecv": program, "gh": POSTING}
    calls, exit_code = run_steps(work, programs, inputs, lambda step: environment)
    assert exit_code == code
    comment = (work / "CALLS.comment").read_text()
    assert comment == (work / "GITHUB_STEP_SUMMARY").read_text()
    assert "edgecv gate: ci " + ("failed" if code else "passed") in comment
    assert not re.search(r"<img|@everyone|\]\(|(?m:^# )|(?<!\*)\*\*x", comment)
    assert calls == [["gh", "pr", "comment", "7", "--edit-last", "--create-if-none", "--body-file",
                      str(work / "edgecv-gate/gate.md")]]  # fmt: skip
    page = (work / "edgecv-gate/report.html").read_text("utf-8")
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
    (run,) = json.loads((work / "edgecv-gate/doctor.sarif").read_text())["runs"]
    assert run["tool"]["driver"]["name"] == "edgecv doctor"
    assert all(each["locations"][0]["physicalLocation"] for each in run["results"])
    assert not (work / "evil").exists()
