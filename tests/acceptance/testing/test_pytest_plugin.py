"""The plugin in an environment: found, lazy, marked, helpful, turned off."""

import re
import subprocess
import sys
import tomllib

import pytest
from team_project import REPOSITORY, Team

FAST = """
def test_plain():
    pass
"""
MARKED = """
import pytest

@pytest.fixture(scope="module")
def model(edgecv_compare):
    return edgecv_compare("models/good.onnx", baseline="models/baseline.onnx", data="digits")

def test_model(model):
    model.assert_agreement(at_least=0.5)

@pytest.mark.edgecv
def test_by_hand():
    pass

def test_plain():
    pass
"""
HEAVY = (
    "numpy",
    "pydantic",
    "tensorflow",
    "onnx",
    "onnxruntime",
    "filelock",
    "edgecv.core.report",
)


def test_a_project_that_does_not_use_it_pays_nothing(team: Team) -> None:
    team.write("test_plain.py", FAST)
    names = ", ".join(f'"{name}"' for name in HEAVY)
    team.write(
        "conftest.py",
        "import sys\n\n\ndef pytest_unconfigure():\n"
        f"    found = [name for name in ({names}) if name in sys.modules]\n"
        '    print("loaded:", "edgecv.pytest_plugin" in sys.modules, found)\n',
    )
    seen = team.pytest("-s", "-p", "no:hypothesispytest")
    assert seen.code == 0, seen.output
    assert "loaded: True []" in seen.output


def test_importing_it_needs_pytest_and_nothing_else() -> None:
    program = (
        "import sys, edgecv.pytest_plugin\n"
        "third = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "print(sorted(name for name in third if not name.startswith('_')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    found = set(re.findall(r"'(\w+)'", done.stdout))
    assert {"edgecv", "pytest"} <= found
    own = {"edgecv", "lazy_loader"}
    assert found <= {*own, "pytest", "pluggy", "iniconfig", "packaging", "pygments", "py"}


def test_pytest_is_no_dependency_of_edgecv() -> None:
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    assert not [each for each in project["dependencies"] if each.startswith("pytest")]
    assert [each for each in project["optional-dependencies"]["test"] if "xdist" in each]
    assert project["entry-points"]["pytest11"] == {"edgecv": "edgecv.pytest_plugin"}


def test_what_uses_the_fixture_is_marked(team: Team) -> None:
    team.write("test_model.py", MARKED)
    seen = team.pytest("-m", "edgecv", "--collect-only", "-q")
    assert seen.code == 0, seen.output
    assert "test_model.py::test_model\ntest_model.py::test_by_hand\n" in seen.output
    assert "test_plain" not in seen.output


def test_it_can_be_turned_off(team: Team) -> None:
    team.write("test_model.py", MARKED)
    seen = team.pytest("-p", "no:edgecv", "-o", "addopts=")
    assert seen.messages["test_plain"] == ""
    assert "fixture 'edgecv_compare' not found" in seen.messages["test_model"]
    assert team.pytest("-p", "no:edgecv", "--edgecv-update").code == 4, "an unknown option"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--help",), "--edgecv-update"),
        (("--markers",), "@pytest.mark.edgecv: compares an artifact with its baseline"),
        (("--fixtures",), "edgecv_compare [session scope]"),
    ],
)
def test_pytest_tells_of_it(team: Team, arguments: tuple[str, ...], words: str) -> None:
    assert words in team.pytest(*arguments).output
