"""The peers, the environment of each, and what the script of each has made."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
INSTALL_S, MAKE_S = 1200, 1200
CONVERTED = ("--quantize", "int8,dynamic")


@dataclass(frozen=True)
class Peer:
    """A tool: its name on the page, its script, and the requirements of its environment."""

    name: str
    script: str
    environment: str
    ours: tuple[str, ...] = CONVERTED
    """What `edgecv compress` is told, to do the same."""


PEERS = (
    Peer("TFLite converter", "tflite_converter", "tflite_converter"),
    Peer("LiteRT Quantizer", "litert_quantizer_recipes", "litert_quantizer"),
    Peer("TFMOT quantize_model", "tfmot_qat", "tfmot", ("--qat",)),
    Peer(
        "TFMOT pruning", "tfmot_pruning", "tfmot", ("--prune", "0.8", "--quantize", "int8,dynamic")
    ),
    Peer("Sony MCT", "mct_ptq", "mct"),
    Peer("onnx2tf", "onnx2tf_int8", "onnx2tf"),
    Peer("ONNX Runtime static", "onnxruntime_static", "onnxruntime_static"),
    Peer("NNCF", "nncf_quantize", "nncf"),
)
Made = dict[str, Any]
"""The result.json of a script, with its folder, and the last words of what failed."""


def install(peer: Peer, folder: Path) -> tuple[Path, str]:
    """Return the interpreter of a peer, installed once, and why there is none."""
    requirements = HERE / "requirements" / f"{peer.environment}.txt"
    place = folder / peer.environment
    python, installed = place / "bin" / "python", place / "installed.txt"
    wanted = requirements.read_text("utf-8")
    if installed.is_file() and installed.read_text("utf-8") == wanted:
        return python, ""
    shutil.rmtree(place, ignore_errors=True)
    steps = (
        [sys.executable, "-m", "venv", str(place)],
        [str(python), "-m", "pip", "install", "--no-cache-dir", "-r", str(requirements)],
    )
    for step in steps:
        error = run(step, place.with_suffix(".log"), INSTALL_S)
        if error:
            return python, f"not installed: {error}"
    installed.write_text(wanted, "utf-8")
    return python, ""


def make(peer: Peer, python: Path, inputs: Path, output: Path) -> Made:
    """Run the script of a peer in a folder of its own, and return what it has made."""
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    script = HERE / "scripts" / f"{peer.script}.py"
    error = run([str(python), str(script), str(inputs), str(output)], output / "log.txt", MAKE_S)
    result = output / "result.json"
    made = json.loads(result.read_text("utf-8")) if result.is_file() else {"files": []}
    return {**made, "error": error}


def run(command: list[str], log: Path, limit_s: float) -> str:
    """Run a command with its output in a log; return why it failed, empty where it did not."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"took longer than {limit_s:g} s"
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines()]
    last = next((line for line in reversed(lines) if line), "no output")
    return f"exit code {done.returncode}: {last[:300]}"
