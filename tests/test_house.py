"""The plan of the house, held by tests: floors, laziness, the public face, quick refusals."""

import ast
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

FLOORS = (
    ("errors", "pair", "records", "stored", "__init__"),
    (
        "contracts",
        "registry",
        "kernels",
        "channels",
        "softmax",
        "preprocessing",
        "reading",
        "pixel_statistics",
        "distillation",
        "moving_averages",
        "checkpoint",
        "trust",
        "store",
        "signatures",
        "tf",
        "schedule",
        "environment",
        "cores",
        "worker",
        "proof",
        "reports",
    ),
    ("tasks", "datasets", "architectures", "importers", "techniques", "exporters", "runtimes"),
    (
        "recipe",
        "recipe_parts",
        "recipe_schema",
        "flags",
        "flag_values",
        "gate_flags",
        "training",
        "recall",
        "measuring",
        "baseline",
        "adapting",
        "adopting",
        "adopting_onnx",
        "hints",
        "class_order",
        "costing",
        "trials",
        "tuning",
        "workshop",
        "exporting",
    ),
    (
        "pipeline",
        "validation",
        "validation_request",
        "verification",
        "tables",
        "api",
        "inspection",
        "benching",
        "bench_words",
        "doctor",
        "diagnosis",
        "gating",
        "asserting",
    ),
    ("console", "cli", "pytest_plugin", "__main__"),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
PLUGIN_FOLDERS = FLOORS[2]


def imports_of(path: Path) -> set[str]:
    """Return the rooms that a file imports, wherever in the file."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "edgecv":
                names = [
                    f"edgecv.{alias.name}" for alias in node.names if alias.name != "__version__"
                ]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("edgecv.")}
    return rooms


def files() -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_from_its_floor_and_below(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert room in FLOOR, f"{room} is on no floor: add it to FLOORS and to the README"
    for other in imports_of(path) - {room}:
        assert FLOOR[other] <= FLOOR[room], f"{room} imports {other}, which is above it"
        if room in PLUGIN_FOLDERS and other in PLUGIN_FOLDERS:
            allowed = {("runtimes", "importers")}
            assert (room, other) in allowed, f"{room} imports its neighbour {other}"


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
        "EdgecvError",
        "InputError",
        "Judgement",
        "Report",
        "RuntimeFailure",
        "StepError",
        "__version__",
        "compress",
        "gate",
        "load_report",
        "validate",
    ]
    for name in edgecv.__all__:
        assert getattr(edgecv, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'decompress'"):
        _ = edgecv.decompress  # type: ignore[attr-defined]
