"""The plan of the house, held by tests: floors, laziness, the public face, quick refusals."""

import subprocess
import sys
from pathlib import Path

import pytest

import edgecv

PACKAGE = Path(edgecv.__file__).parent
HEAVY = (
    "tensorflow",
    "tf_keras",
    "keras",
    "onnx",
    "onnxruntime",
    "ai_edge_litert",
    "sklearn",
    "scipy",
)


def files() -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]


def test_every_module_imports_without_a_heavy_library() -> None:
    modules = [
        ".".join(("edgecv", *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in files()
        if path.name not in ("__init__.py", "__main__.py")
    ]
    program = (
        f"import sys, importlib\nfor name in {modules!r}: importlib.import_module(name)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_command_line_itself_loads_almost_nothing() -> None:
    program = (
        "import sys, edgecv.cli\n"
        "print([n for n in ('numpy', 'pydantic', 'tensorflow', 'PIL') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_public_face() -> None:
    assert edgecv.__all__ == [
        "BenchResult",
        "Diagnosis",
        "EdgecvError",
        "InputError",
        "Inspection",
        "Judgement",
        "Report",
        "RuntimeFailure",
        "StepError",
        "Training",
        "__version__",
        "bench",
        "compress",
        "doctor",
        "gate",
        "inspect",
        "load_report",
        "train",
        "validate",
    ]
    for name in edgecv.__all__:
        assert getattr(edgecv, name) is not None
    with pytest.raises(AttributeError, match="No edgecv attribute decompress"):
        _ = edgecv.decompress  # type: ignore[attr-defined]
