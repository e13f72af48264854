"""The plan of the house: names, laziness, the public face. The floors are held by lint-imports."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import edgecv

pytestmark = pytest.mark.quick

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
    errors = ["EdgecvError", "InputError", "RuntimeFailure", "StepError"]
    records = ["BenchResult", "Diagnosis", "Inspection", "Judgement", "Report", "SearchResult"]
    records += ["Training"]
    functions = "bench compress deploy doctor gate inspect load_report search train validate"
    assert edgecv.__all__ == [*sorted(errors + records), "__version__", *functions.split()]
    for name in edgecv.__all__:
        assert getattr(edgecv, name) is not None
    with pytest.raises(AttributeError, match="No edgecv attribute decompress"):
        _ = edgecv.decompress  # type: ignore[attr-defined]


def test_the_root_of_the_package_is_small() -> None:
    names = {path.name for path in PACKAGE.iterdir() if not path.name.startswith("__pycache__")}
    assert len(names) <= 20, sorted(names)


def test_no_module_is_private_by_its_name() -> None:
    private = [str(path) for path in files() if re.match(r"_[^_]", path.name)]
    assert private == [], "inside the package a folder says what belongs together"


def test_a_public_class_name_occurs_once() -> None:
    places: dict[str, list[str]] = {}
    for path in files():
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_the_quick_tests_cover_every_room() -> None:
    tests = Path(__file__).parents[1]
    rooms = [path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
    for room in [*rooms, "contracts", "end_to_end", "security", "fault_injection"]:
        files = [path.read_text("utf-8") for path in (tests / room).rglob("test_*.py")]
        assert any("mark.quick" in text for text in files), f"tests/{room} has no quick test"
