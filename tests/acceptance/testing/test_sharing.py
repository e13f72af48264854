"""How often a file is really run: once in a run of tests, whoever asks for it."""

import pytest
from team_project import Seen, Team

from edgecv.acceptance.testing.accepted_file import read_accepted

COUNTING = """
import os
import time
from pathlib import Path

from edgecv.system.isolation import ModelClient

predict, HERE = ModelClient.predict, Path(__file__).parent
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))


def counted(self, path, *arguments, **options):
    note("measured", Path(path).name)
    time.sleep(0.2)  # Time for another worker to do the same.
    return predict(self, path, *arguments, **options)


def note(what, name):
    with open(HERE / "log.txt", "a") as log:
        log.write(f"{what} {os.environ.get('PYTEST_XDIST_WORKER', 'alone')} {name}\\n")


def pytest_runtest_call(item):
    note("ran", item.name)
    for _ in range(600):  # Begin together.
        if len({line.split()[1] for line in open(HERE / "log.txt")}) == WORKERS:
            break
        time.sleep(0.1)


ModelClient.predict = counted
"""
ACCEPTING = """
import pytest

@pytest.mark.parametrize("name", ["good", "doubtful", "bad", "without_8"])
@pytest.mark.parametrize("time", [1, 2])
def test_accepted(edgecv_compare, name, time):
    model = f"models/{name}.onnx"
    edgecv_compare(model, baseline="models/baseline.onnx", data="digits").assert_as_accepted()
"""
ALONE = """
import shutil

FILES = {"baseline": "models/baseline.onnx", "data": "digits"}

def test_one(edgecv_compare):
    edgecv_compare("models/good.onnx", **FILES)

def test_two(edgecv_compare, pytestconfig):
    before = edgecv_compare("models/good.onnx", **FILES)
    models = pytestconfig.rootpath / "models"
    shutil.copyfile(models / "bad.onnx", models / "good.onnx")
    after = edgecv_compare("models/good.onnx", **FILES)
    assert after.comparison.value < before.comparison.value

def test_three(edgecv_compare):
    edgecv_compare("models/bad.onnx", **FILES)
"""


def lines(team: Team, what: str) -> list[tuple[str, str]]:
    """Return who and what, of the lines of the team's log that begin with a word."""
    log = [line.split() for line in (team.folder / "log.txt").read_text().splitlines()]
    return [(who, name) for word, who, name in log if word == what]


@pytest.fixture(scope="module")
def updated(module_team: Team) -> Seen:
    """Accept four models, each in two tests, with two workers."""
    module_team.write("conftest.py", COUNTING)
    module_team.write("tests/test_model.py", ACCEPTING)
    return module_team.pytest("-n", "2", "--edgecv-update")


def test_two_workers_measure_each_file_once(module_team: Team, updated: Seen) -> None:
    assert updated.code == 0, updated.output
    assert {who for who, _ in lines(module_team, "ran")} == {"gw0", "gw1"}
    measured = sorted(name for _, name in lines(module_team, "measured"))
    assert measured == ["bad.onnx", "baseline.onnx", "doubtful.onnx", "good.onnx", "without_8.onnx"]


def test_two_workers_accept_into_one_whole_file(module_team: Team, updated: Seen) -> None:
    tests = module_team.folder / "tests"
    assert [path.name for path in sorted(tests.glob("*.lock*"))] == ["test_model.edgecv.lock"]
    assert sorted(read_accepted(tests / "test_model.edgecv.lock")) == [
        f"models/{name}.onnx beside models/baseline.onnx on digits"
        for name in ("bad", "doubtful", "good", "without_8")
    ]
    assert updated.output.count("beside models/baseline.onnx on digits: is new") == 4


def test_one_process_measures_each_content_once(team: Team) -> None:
    team.write("conftest.py", COUNTING)
    team.write("test_model.py", ALONE)
    seen = team.pytest()
    assert seen.code == 0, seen.output
    assert lines(team, "measured") == [
        ("alone", "baseline.onnx"),
        ("alone", "good.onnx"),
        ("alone", "good.onnx"),
    ], "once as it was, once as it became; a copy of it is known"


def test_nothing_is_left_beside_the_tests(module_team: Team, updated: Seen) -> None:
    left = {path.name for path in module_team.folder.iterdir()}
    known = {"conftest.py", "log.txt", "models", "pytest.ini", "results.xml", "tests"}
    assert left - {"__pycache__"} == known
